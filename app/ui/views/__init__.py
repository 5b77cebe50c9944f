"""Views of pictures and meshes."""
