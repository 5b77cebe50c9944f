"""The hand itself: model, layer, rotations, camera, joint orders, metrics, recording format.

Everything here is shared by the two paths that are compared (network and MediaPipe + IK), so that their numbers
stay comparable. Nothing here depends on a camera device, a window, MediaPipe, a training loop or one of the sibling
packages. The core is NumPy; torch appears only in ``hand.torch_*`` and ``hand.manopth_adapter``.
"""
