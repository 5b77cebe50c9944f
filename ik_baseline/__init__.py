"""MediaPipe landmarks and inverse kinematics: the path to a 3D hand that needs no training.

Lives here: the adapter to MediaPipe (``detector``), the solver from landmarks to pose, shape and camera translation
(``solver`` and what it stands on), the per-user calibration, and ``tracker.IkTracker``, the face of this room: frames
in, hand states out. Imports ``hand`` alone; no window, no network, nothing of the trainer.
"""
