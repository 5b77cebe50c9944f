"""MediaPipe landmarks and inverse kinematics: the path to a 3D hand that needs no training.

Contains the adapter to MediaPipe (``detector``), the solver from landmarks to pose, shape and camera translation
(``solver`` and its parts), the per-user calibration, and ``tracker.IkTracker``, the entry point of this package: frames
in, hand states out. Imports ``hand`` alone.
"""
