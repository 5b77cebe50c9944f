"""A training's story, read from its events: the recipe it followed, how its loss fell and how it was judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hand.errors import DataError
from trainer.recipe.config import FitConfig, build_dataclass
from trainer.runs.run_folder import EVENTS_FILE, read_events


@dataclass(frozen=True, slots=True, eq=False)
class RunStory:
    """What happened in a run, as one line without the detours of stopping and resuming.

    Attributes:
        config: the recipe, as plain values.
        losses: step and loss.
        evaluations: step and figures.
        warnings: step and sentence.
    """

    config: dict[str, Any]
    losses: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def recipe(self) -> FitConfig:
        """The recipe.

        Raises:
            ConfigError: it has keys that this version does not know.
        """
        return build_dataclass(FitConfig, self.config, "the run's recipe")

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Every evaluated figure over the steps, by name."""
        names = dict.fromkeys(name for _, figures in self.evaluations for name in figures)
        return {
            name: [(step, figures[name]) for step, figures in self.evaluations if name in figures] for name in names
        }


def read_story(folder: Path) -> RunStory:
    """Reads a run's events; what a killed process did beyond its last checkpoint and its successor did again, once.

    Args:
        folder: of the run.

    Raises:
        DataError: no run has begun there.
    """
    story: RunStory | None = None
    for event in read_events(folder / EVENTS_FILE)[0]:
        kind, step = event["event"], int(event.get("step") or 0)
        if kind == "hello":
            before = story or RunStory({})
            story = RunStory(
                event["config"],
                [point for point in before.losses if point[0] <= step],
                [point for point in before.evaluations if point[0] <= step],
                [point for point in before.warnings if point[0] <= step],
            )
        elif story is not None and kind == "step" and event["loss"] is not None:
            story.losses.append((step, event["loss"]))
        elif story is not None and kind == "evaluation":
            facts = {name: value for name, value in event.items() if name not in ("event", "time", "step")}
            story.evaluations.append((step, {name: value for name, value in facts.items() if value is not None}))
        elif story is not None and kind == "warning":
            story.warnings.append((step, str(event.get("message", event.get("hint", "")))))
    if story is None:
        raise DataError(f"{folder} is no training: its {EVENTS_FILE} is missing or empty; give the --out of a fit.")
    return story
