"""What the window shows at once: drawings of one frame, and the results that came with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.pipeline.result_synchronizer import JoinedResult
from hand.types import PathResult, Provider

P = TypeVar("P")


@dataclass(frozen=True, slots=True, eq=False)
class Composition(Generic[P]):
    """What there is to show since the last pull.

    Attributes:
        joined: the newest frame and what the paths said about it.
        measured: results that were not there at the last pull, by path; one drawn again is none.
        panes: drawings by the name of the pane they are for.
    """

    joined: JoinedResult
    measured: Mapping[Provider, PathResult]
    panes: Mapping[Any, P]

    def merged_into(self, newer: Composition[P]) -> Composition[P]:
        """The newer one, with what only the older one has."""
        joined = self.joined if newer.joined.late and not self.joined.late else newer.joined
        return Composition(joined, {**self.measured, **newer.measured}, {**self.panes, **newer.panes})
