"""Hands over time, on their way into files: NPZ for arrays, BVH for skeletons, GLB for a skinned and moving mesh."""
