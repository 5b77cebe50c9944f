"""Two cameras on one hand: calibration from the hand itself, triangulated joints, and each path's errors."""
