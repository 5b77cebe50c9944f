"""The files of a fine-tuning run's folder, and how to read its history; free of torch, for programs that watch a run.

    request.json        the request; the same request resumes a stopped run
    events.jsonl        the run's history, one line per event; the reference
    lock                held by the running process, and given back by the system however that process ends
    stop                requests that the process save and end, whoever started it
    last.pt             everything to resume from; best.safetensors: the best weights so far
    network/            the tuned network, exported, once training is over
    report/             before and after, as report.json and report.html

Nothing of a run is ever deleted because it was stopped.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from hand.atomic_file import write_json_atomically
from hand.checked_files import FILE_FAULTS, fault_of, parse_json, read_json
from hand.errors import ConfigError

REQUEST_FILE: Final = "request.json"
EVENTS_FILE: Final = "events.jsonl"
LOCK_FILE: Final = "lock"
STOP_FILE: Final = "stop"
NETWORK_FOLDER: Final = "network"
REPORT_FOLDER: Final = "report"
BEST_FILE: Final = "best.safetensors"
STATE_FILE: Final = "last.pt"

_MOST_BYTES: Final = 64 << 20
"""Of events that are read at once; a long run writes a few."""

Recipe = Literal["quick", "standard", "thorough"]
RECIPES: Final[tuple[Recipe, ...]] = get_args(Recipe)


@dataclass(frozen=True, slots=True)
class FineTuneRequest:
    """Request of a run.

    Attributes:
        base: folder of the exported network to start from.
        recordings: folder of the sessions.
        train: names of the sessions to learn from; all but the held-out ones when empty.
        held_out: names of the sessions that only the report uses; the newest one when neither is given.
        recipe: how much of the network is trained, and for how long.
        name: of the run and of its network, for people.
        notes: the user's notes about it.
        general_crops: unseen renderings of the report; 240 measure its error to about 2 %.
        values: differences from the recipe, fields of ``trainer.recipe.config.FitConfig``.
    """

    base: str
    recordings: str
    train: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    recipe: Recipe = "quick"
    name: str = ""
    notes: str = ""
    general_crops: int = 240
    values: dict[str, Any] = field(default_factory=dict)


def write_request(folder: Path, request: FineTuneRequest) -> None:
    """Notes what a run is to do; its folder is made."""
    write_json_atomically(folder / REQUEST_FILE, asdict(request))


def read_request(folder: Path) -> FineTuneRequest:
    """The request of a run.

    Raises:
        ConfigError: there is no request in the folder, or it is damaged.
    """
    path = folder / REQUEST_FILE
    try:
        content = read_json(path)
        request = FineTuneRequest(**content | {key: tuple(content[key]) for key in ("train", "held_out")})
        if request.recipe not in RECIPES or not isinstance(request.values, dict):
            raise ValueError(f"recipe {request.recipe!r}")
    except FileNotFoundError:
        raise ConfigError(f"{folder} is no fine-tuning run: it has no {REQUEST_FILE}; start a new run.") from None
    except FILE_FAULTS as problem:
        raise ConfigError(f"{path} is damaged ({fault_of(problem)}); start a new run.") from None
    return request


def read_events(path: Path, start_byte: int = 0) -> tuple[list[dict[str, Any]], int, int]:
    """The events from a place in the file on; a torn or damaged line is passed over.

    Args:
        path: events.jsonl.
        start_byte: 0, or what the call before returned.

    Returns:
        The events, the place after the last whole line, and how many lines were damaged.
    """
    try:
        if not path.is_file():
            return [], start_byte, 0
        with path.open("rb") as file:
            file.seek(start_byte)
            data = file.read(_MOST_BYTES)
    except OSError:
        return [], start_byte, 0
    end = data.rfind(b"\n") + 1
    events, damaged = [], 0
    for raw in data[:end].splitlines():
        event: Any = None
        with suppress(ValueError):
            event = parse_json(raw)
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
        else:
            damaged += 1
    return events, start_byte + end, damaged
