"""The review window: a recorded session's labels, frame by frame."""
