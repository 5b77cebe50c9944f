"""Training runs as seen from the window: started as processes of their own, followed by what they write to disk.

Nothing here keeps a run alive or ends it by accident: a run is its folder (``trainer.runs.run_folder``), so a window
that was closed, or that crashed, finds all runs again as they are.
"""
