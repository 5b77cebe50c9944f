"""Training samples: labelled crops from renderings, photographs and recordings, and their augmentation."""
