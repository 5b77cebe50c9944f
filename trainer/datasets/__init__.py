"""The field's data sets, read in place in their own layouts: one loader per file, one structure for what they give.

``hand_set`` is that structure, ``opening`` finds the loader for a folder, ``pose_fit`` holds a set's pose against its
joints, ``crops`` makes training samples.
"""
