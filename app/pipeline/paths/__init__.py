"""The paths from a frame to hands (network, MediaPipe + IK), and what builds them."""
