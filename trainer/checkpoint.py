"""Checkpoints that survive a crash at any moment, and from which a run goes on as if it had never stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hand.atomic_file import write_atomically, write_json_atomically
from hand.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: optimiser steps done; the sample stream goes on from here.
        best_score: lowest evaluation score so far.
        evaluations_without_progress: for early stopping.
        measure: what that score is; scores of different measures are not compared.
    """

    step: int = 0
    best_score: float = float("inf")
    evaluations_without_progress: int = 0
    measure: str = ""


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


def save_training_state(folder: Path, progress: Progress, state: dict[str, Any]) -> None:
    """Writes everything a resumed run needs besides the recipe: one file for tensors, one for numbers.

    Args:
        folder: of the run.
        progress: how far it has come.
        state: state dicts of network, averaged network, optimiser and random generators.
    """
    write_atomically(folder / "last.pt", lambda target: torch.save({"progress": asdict(progress), **state}, target))
    finite = asdict(progress) | {"best_score": min(progress.best_score, 1e9)}
    write_json_atomically(folder / "progress.json", finite)


def load_training_state(folder: Path) -> tuple[Progress, dict[str, Any]] | None:
    """The state a run can go on from, or None where there is none.

    Raises:
        CheckpointError: there is one and it cannot be read.
    """
    path = folder / "last.pt"
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Progress(**state.pop("progress")), state
    except (RuntimeError, KeyError, TypeError, EOFError, ValueError) as problem:
        raise CheckpointError(
            f"The training state {path} cannot be read ({problem}); move it away to start the run again."
        ) from None
