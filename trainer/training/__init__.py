"""The training loop: losses, optimizer, mixture of sources, checkpoints, processes."""
