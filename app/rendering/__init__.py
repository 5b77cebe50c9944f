"""What is drawn, without a toolkit: the skeleton over a picture, the mesh without OpenGL, composed pictures."""
