"""Weights of a network as safetensors, which cannot execute anything when they are read."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hand.atomic_file import write_atomically
from hand.errors import CheckpointError


def save_weights(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes weights as safetensors, which cannot execute anything when it is read."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_atomically(path, lambda target: save_file(tensors, target, metadata))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Reads weights.

    Raises:
        CheckpointError: missing, or not a safetensors file.
    """
    if not path.is_file():
        raise CheckpointError(f"There are no weights at {path}; give the path of a .safetensors file.")
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as problem:
        raise CheckpointError(
            f"{path} should be a safetensors file and is not ({problem}); it may be half copied, copy it again."
        ) from None
