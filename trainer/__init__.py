"""Training: pictures made by rendering, networks, losses, the loop, evaluation and export.

What must not live here: windows, cameras, MediaPipe, Open3D, the IK path; pseudo-labels come in as files. Everything
runs with torch, numpy, numba and OpenCV alone, on a machine with or without a GPU. Running an exported network without
torch is ``inference``.
"""
