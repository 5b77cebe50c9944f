"""A camera's intrinsics from pictures of a printed board: drawn, seen, solved, kept per camera."""
