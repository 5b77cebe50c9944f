"""What a trial found, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Finding(Enum):
    """What must not happen."""

    EXECUTED = "executed"
    TRACEBACK = "tracebacks"
    HANG = "hangs"
    MEMORY = "over 2 GB"
    LOST = "lost"
    CRASH = "crashes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case.

    Attributes:
        group: what kind of case.
        case: which.
        finding: what went wrong; None where nothing did.
        detail: one line about that.
    """

    group: str
    case: str
    finding: Finding | None = None
    detail: str = ""


def table(outcomes: Iterable[Outcome]) -> str:
    """Cases and findings by group, and in all, as Markdown."""
    outcomes = list(outcomes)
    names = [finding.value for finding in Finding]
    lines = [f"| group | cases | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    groups = list(dict.fromkeys(outcome.group for outcome in outcomes))
    for group in [*groups, "all"]:
        own = [outcome for outcome in outcomes if group in (outcome.group, "all")]
        found = Counter(outcome.finding for outcome in own)
        lines.append(f"| {group} | {len(own)} | {' | '.join(str(found[finding]) for finding in Finding)} |")
    return "\n".join(lines)
