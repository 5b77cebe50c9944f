"""InterHand2.6M's annotations as arrays: 1.4 million hands are gigabytes as Python's objects, in every process again.

Processes that make samples share what their parent read until they write to it, and counting references is writing. So
nothing that there is one of for every picture or hand stays an object of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Shaped

from hand.mirror import Side

_HAND: Final = np.dtype([("image", np.int64), ("side", "U5"), ("joint_valid", bool, (42,))])
_JOINTS: Final = np.dtype([("world_coord", np.float64, (2, 21, 3)), ("joint_valid", bool, (2, 21))])
_FIT: Final = np.dtype([("pose", np.float64, 48), ("shape", np.float64, 10), ("trans", np.float64, 3)])


class Pictures:
    """The pictures of a split, by id."""

    def __init__(self, images: Sequence[Mapping[str, Any]]) -> None:
        """Takes what is needed of each.

        Args:
            images: as the set describes them.

        Raises:
            KeyError: a description lacks something.
            ValueError: something in it is not what it should be.
        """
        names: dict[str, int] = {}
        rows = [
            (
                int(image["id"]),
                *(names.setdefault(str(image[key]), len(names)) for key in ("capture", "camera", "frame_idx")),
                int(image["width"]),
                int(image["height"]),
                str(image["file_name"]).encode(),
            )
            for image in images
        ]
        longest = max((len(str(image["file_name"]).encode()) for image in images), default=1)
        kinds = [(name, np.int32) for name in ("capture", "camera", "frame", "width", "height")]
        table = np.array(rows, np.dtype([("id", np.int64), *kinds, ("file_name", f"S{longest}")]))
        self._names = list(names)
        self._table = table[np.argsort(table["id"], kind="stable")]

    def first_unknown(self, numbers: Int[np.ndarray, " N"]) -> int | None:
        """The first of some ids that no picture has, None where all are known."""
        unknown = numbers[~np.isin(numbers, self._table["id"])]
        return int(unknown[0]) if len(unknown) else None

    def file_name(self, number: int) -> str:
        """Below the folder of the split's pictures."""
        return bytes(self._row(number)["file_name"]).decode()

    def place(self, number: int) -> tuple[str, str, str]:
        """Capture, camera and frame, as the other annotations name them."""
        row = self._row(number)
        capture, camera, frame = (self._names[row[key]] for key in ("capture", "camera", "frame"))
        return capture, camera, frame

    def size_px(self, number: int) -> tuple[int, int]:
        """Width and height."""
        row = self._row(number)
        return int(row["width"]), int(row["height"])

    def _row(self, number: int) -> np.void:
        # of several with one id the last holds
        row: np.void = self._table[int(np.searchsorted(self._table["id"], number, side="right")) - 1]
        return row


class ByFrame:
    """Labels by capture, frame and, if need be, side; an invalid one is refused when it is used."""

    def __init__(self, entries: Iterable[tuple[tuple[str, ...], Any]], parse: Callable[[Any], np.ndarray]) -> None:
        """Reads all entries.

        Args:
            entries: the key of each, and the set's values.
            parse: makes one row of it.
        """
        self._rows: dict[tuple[str, ...], int | str] = {}
        rows = []
        for place, entry in entries:
            try:
                rows.append(parse(entry))
                self._rows[place] = len(rows) - 1
            except (KeyError, TypeError, ValueError) as problem:
                self._rows[place] = str(problem)
        self._labels = np.stack(rows) if rows else None

    def __contains__(self, place: tuple[str, ...]) -> bool:
        return place in self._rows

    def __getitem__(self, place: tuple[str, ...]) -> np.ndarray:
        """The labels of a place.

        Raises:
            KeyError: there are none.
            ValueError: they are incomplete or of the wrong shape.
        """
        if place not in self._rows:
            raise KeyError(place[1])
        row = self._rows[place]
        if isinstance(row, str) or self._labels is None:
            raise ValueError(row)
        return np.asarray(self._labels[row])


def joints_by_frame(content: Mapping[str, Any]) -> ByFrame:
    """Joints in the world, right hand first: fields ``world_coord`` (millimetres) and ``joint_valid``."""

    def parse(entry: Any) -> np.ndarray:
        world = np.array(entry["world_coord"], np.float64).reshape(2, 21, 3)
        return np.array((world, np.array(entry["joint_valid"], bool).reshape(2, 21)), _JOINTS)

    frames = ((capture, frame, entry) for capture, frames in content.items() for frame, entry in frames.items())
    return ByFrame((((capture, frame), entry) for capture, frame, entry in frames), parse)


def fits_by_frame(content: Mapping[str, Any]) -> ByFrame:
    """MANO's parameters by capture, frame and side, as arrays with fields ``pose``, ``shape`` and ``trans``."""

    def parse(fit: Any) -> np.ndarray:
        values = [np.array(fit[key], np.float64).reshape(_FIT[key].shape) for key in ("pose", "shape", "trans")]
        return np.array(tuple(values), _FIT)

    fits = (
        ((capture, frame, side), fit)
        for capture, frames in content.items()
        for frame, sides in (frames or {}).items()
        for side, fit in (sides or {}).items()
        if fit is not None
    )
    return ByFrame(fits, parse)


def hands_of(notes: list[Mapping[str, Any]]) -> tuple[Shaped[np.ndarray, " N"], dict[int, str]]:
    """The hands of all annotated pictures: fields ``image`` (an id), ``side`` and ``joint_valid`` (42).

    Returns:
        The hands, and what is wrong with ``joint_valid`` of those of which it is not as it should be, by their numbers.

    Raises:
        KeyError: an annotation lacks something.
        ValueError: a kind of hand that is not known.
    """
    hands = np.zeros(sum(len(sides_of(note["hand_type"])) for note in notes), _HAND)
    wrong: dict[int, str] = {}
    number = 0
    for note in notes:
        image, joint_valid = int(note["image_id"]), note["joint_valid"]
        for side in sides_of(note["hand_type"]):
            hands["image"][number], hands["side"][number] = image, side
            try:
                hands["joint_valid"][number] = np.array(joint_valid, bool).reshape(2, 21).ravel()
            except (TypeError, ValueError) as problem:
                wrong[number] = str(problem)
            number += 1
    return hands, wrong


def sides_of(hand_type: str) -> tuple[Side, ...]:
    """The hands that a picture shows.

    Raises:
        ValueError: an unknown type.
    """
    sides: dict[str, tuple[Side, ...]] = {"right": ("right",), "left": ("left",), "interacting": ("right", "left")}
    if hand_type not in sides:
        raise ValueError(f"a known hand_type, got {hand_type!r}")
    return sides[hand_type]
