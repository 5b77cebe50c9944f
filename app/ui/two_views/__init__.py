"""The panel about a second camera."""
