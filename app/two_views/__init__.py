"""Two cameras on one hand: calibration from the hand itself, triangulated joints, and what they say about each path."""
