"""Docked panels that belong to the running picture: comparison, camera, output, smoothing, streams, playback."""
