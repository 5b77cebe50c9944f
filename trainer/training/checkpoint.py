"""Checkpoints that survive a crash at any moment, and from which a run resumes as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch

from hand.atomic_file import write_atomically, write_json_atomically
from hand.checked_files import FILE_FAULTS, fault_of
from hand.errors import CheckpointError
from trainer.runs.run_folder import STATE_FILE

_MAY_BE_NEW: Final = frozenset({"precision"})
"""Parts that begin anew where nothing was saved of them: by an older version, or in a precision that has no state."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: optimiser steps done; the sample stream resumes here.
        best_score: lowest evaluation score so far.
        evaluations_without_progress: for early stopping.
        measure: what that score is; scores of different measures are not compared.
    """

    step: int = 0
    best_score: float = float("inf")
    evaluations_without_progress: int = 0
    measure: str = ""


@runtime_checkable
class Stateful(Protocol):
    """What changes while a run trains: networks, the optimiser, the scale of a loss in half precision."""

    def state_dict(self) -> dict[str, Any]:
        """Everything it needs to go on."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Goes on from there."""


def save_training_state(folder: Path, progress: Progress, parts: Mapping[str, Stateful]) -> None:
    """Writes everything a resumed run needs besides the recipe: one file for tensors, one for numbers.

    Samples and the chance in each step depend on seed and step alone, so that no random generator is kept.

    Args:
        folder: of the run.
        progress: how far it has come.
        parts: what changes, by name.
    """
    state = {"progress": asdict(progress)} | {name: part.state_dict() for name, part in parts.items()}
    write_atomically(folder / STATE_FILE, lambda target: torch.save(state, target))
    finite = asdict(progress) | {"best_score": min(progress.best_score, 1e9)}
    write_json_atomically(folder / "progress.json", finite)


def load_training_state(folder: Path) -> tuple[Progress, dict[str, Any]] | None:
    """The state a run can go on from, or None where there is none.

    Raises:
        CheckpointError: there is one and it cannot be read.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Progress(**state.pop("progress")), state
    except (*FILE_FAULTS, RuntimeError) as problem:
        raise CheckpointError(
            f"The training state {path} cannot be read ({fault_of(problem)}); move it away to start the run again."
        ) from None


def restore_training_state(folder: Path, parts: Mapping[str, Stateful], state: Mapping[str, Any]) -> None:
    """Puts a run's parts into the state that was saved.

    Args:
        folder: of the run.
        parts: by name.
        state: from :func:`load_training_state`.

    Raises:
        CheckpointError: it is the state of another network, or other modules of it were frozen.
    """
    try:
        for name, part in parts.items():
            if state.get(name) or name not in _MAY_BE_NEW:
                part.load_state_dict(state[name])
    except (*FILE_FAULTS, RuntimeError) as problem:
        why = " ".join(str(problem).split())
        raise CheckpointError(
            f"The run in {folder} was trained with another network or other frozen modules ({why[:200]}); go on with "
            "its own recipe, or start a new run in another folder (--out)."
        ) from None
