"""One moment kept: the picture, the meshes, and every number about them."""
