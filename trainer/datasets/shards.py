"""A data set packed into tar files for fast reading, and read back: pictures byte by byte, labels number by number.

    DIR/SPLIT/shards.json          which set it was, which hand model its poses are of
    DIR/SPLIT/index.npy            where each hand's files lie in the tar files
    DIR/SPLIT/000000.tar ...       00000012.json, 00000012.jpg (or .png) and, where there is one, 00000012.mask.jpg

The tar files are WebDataset's, and its readers understand them. This program reads them by their index and not through
the ``webdataset`` package, which gives a stream without numbers: here crop i of a run depends on the seed and on i
alone, so that a resumed run and a run on more processes use the same crops. Python's own ``tarfile`` writes them.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int

from hand.atomic_file import folder_as_a_whole, write_json_atomically
from hand.camera import Intrinsics
from hand.errors import DataError
from hand.frame_change import FrameChange
from trainer.datasets.hand_set import HandSet, SetHand, SetPose
from trainer.datasets.set_files import folder_content
from trainer.recipe.dataset_facts import SETS, SplitName

SCHEMA: Final = 1
PER_SHARD: Final = 1000
"""Hands in a tar file: of FreiHAND some 15 MB, of full pictures some 100."""

OPEN_SHARDS: Final = 8
"""Tar files that are drawn from at a time; the window moves on with the run, so that disks read in large pieces."""

_NOTE: Final = "shards.json"
_INDEX: Final = "index.npy"
_FILES: Final = ("label", "picture", "mask")


def pack(
    hands: HandSet, out: Path, *, per_shard: int = PER_SHARD, tick: Callable[[], object] = lambda: None
) -> tuple[int, int]:
    """Packs the annotated hands of a split.

    Args:
        hands: the split.
        out: folder to write to; must be empty or not there.
        per_shard: hands in a tar file.
        tick: called after each hand of the split.

    Returns:
        How many hands were packed, and how many had no annotation.

    Raises:
        DataError: the folder is in use or cannot be written, or a picture cannot be read.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} should be empty to pack into; {folder_content(out)}: give another folder.")
    rows: list[list[int]] = []
    left_out = 0
    try:
        with folder_as_a_whole(out) as whole:
            for first in range(0, len(hands), per_shard):
                with tarfile.open(whole / f"{first // per_shard:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as shard:
                    for number in range(first, min(first + per_shard, len(hands))):
                        hand = hands.hand(number)
                        if hand is None:
                            left_out += 1
                        else:
                            rows.append([first // per_shard, *_add(shard, number, hands, hand)])
                        tick()
            np.save(whole / _INDEX, np.array(rows, np.int64).reshape(len(rows), 1 + 2 * len(_FILES)))
            # the note last: a folder that has it has everything
            note = {"schema": SCHEMA, "kind": hands.facts.kind, "hand_model_digest": hands.hand_model_digest}
            write_json_atomically(whole / _NOTE, note)
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror or error}); check the disk.") from None
    return len(rows), left_out


def _add(shard: tarfile.TarFile, number: int, hands: HandSet, hand: SetHand) -> list[int]:
    """Adds a hand's files; gives offset and size of each, 0 and 0 where there is none."""
    picture, mask = hands.picture_bytes(number), hands.mask_bytes(number)
    suffix = "png" if picture[:4] == b"\x89PNG" else "jpg"
    label = json.dumps(hand_to_json(hand), separators=(",", ":"), allow_nan=False).encode()
    places: list[int] = []
    for name, data in (("json", label), (suffix, picture), ("mask.jpg", mask)):
        if data is None:
            places += [0, 0]
            continue
        entry = tarfile.TarInfo(f"{number:08d}.{name}")
        entry.size = len(data)
        places += [shard.offset + tarfile.BLOCKSIZE, len(data)]  # a USTAR header takes one block
        shard.addfile(entry, io.BytesIO(data))
    return places


class ShardSet:
    """A packed split; see :class:`trainer.datasets.hand_set.HandSet`."""

    def __init__(self, folder: Path, split: SplitName) -> None:
        """Reads the index; labels and pictures are read on demand.

        Args:
            folder: what was packed into.
            split: which part.

        Raises:
            DataError: it was not packed, or not to the end, or a tar file is missing or cut short.
        """
        self.folder = folder / split
        try:
            note = json.loads((self.folder / _NOTE).read_text(encoding="utf-8"))
            self.facts, self.hand_model_digest = SETS[note["kind"]], str(note["hand_model_digest"])
            self._index: Int[np.ndarray, "N 7"] = np.load(self.folder / _INDEX, allow_pickle=False)
            if note["schema"] != SCHEMA or not len(self._index) or self._index.shape[1] != 1 + 2 * len(_FILES):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            raise DataError(
                f"{self.folder} should hold packed hands ({_NOTE}, {_INDEX} and tar files) and does not; "
                f"{folder_content(self.folder)}: pack it again with `python -m trainer data pack`."
            ) from None
        shards, places = np.unique(self._index[:, 0], return_inverse=True)
        ends = np.zeros(len(shards), self._index.dtype)
        # one pass over all hands: with a pass for each of thousands of tar files, opening a large set took a minute
        np.maximum.at(ends, places, self._index[:, 1:].reshape(len(self._index), -1, 2).sum(2).max(1))
        for shard, end in zip(shards.tolist(), ends.tolist(), strict=True):
            path = self._path(shard)
            if not path.is_file() or path.stat().st_size < end:
                raise DataError(f"{path} is missing or cut short; copy it again, or pack the set again.")

    def __len__(self) -> int:
        return len(self._index)

    def hand(self, index: int) -> SetHand:
        """Labels of a hand; those without any were not packed."""
        data = self._bytes(index, "label")
        try:
            return hand_from_json(json.loads(data or b""))
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self._path(int(self._index[index, 0]))} is damaged; pack the set again.") from None

    def picture_bytes(self, index: int) -> bytes:
        """The picture's file."""
        return self._bytes(index, "picture") or b""

    def mask_bytes(self, index: int) -> bytes | None:
        """The mask's file, None where there is none."""
        return self._bytes(index, "mask")

    def nearby(self, seed: int) -> Callable[[int, np.random.Generator], int]:
        """Which hand a place in a stream shows: any of a few tar files, which change slowly along the stream.

        Args:
            seed: of the order of the tar files, another in each round.
        """
        starts = np.flatnonzero(np.diff(self._index[:, 0], prepend=-1))
        ends = np.append(starts[1:], len(self))

        @lru_cache(maxsize=4)
        def windows(round_number: int) -> list[tuple[int, Int[np.ndarray, " hands"]]]:
            """Hands that come before a window's end, and the hands of the window."""
            order = np.random.default_rng((seed, 472882027, round_number)).permutation(len(starts))
            groups = [order[first : first + OPEN_SHARDS] for first in range(0, len(order), OPEN_SHARDS)]
            members = [np.concatenate([np.arange(starts[k], ends[k]) for k in group]) for group in groups]
            return list(zip(np.cumsum([len(group) for group in members]).tolist(), members, strict=True))

        def number(index: int, rng: np.random.Generator) -> int:
            round_number, place = divmod(index, len(self))
            window = next(members for end, members in windows(round_number) if place < end)
            return int(window[rng.integers(len(window))])

        return number

    def _bytes(self, index: int, kind: str) -> bytes | None:
        column = 1 + 2 * _FILES.index(kind)
        shard, offset, size = (int(self._index[index, place]) for place in (0, column, column + 1))
        if size == 0:
            return None
        try:
            with self._path(shard).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise DataError(f"{self._path(shard)} cannot be read ({error.strerror}); copy it again.") from None

    def _path(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.tar"


def hand_to_json(hand: SetHand) -> dict[str, Any]:
    """Labels as plain values; numbers come back bit by bit."""
    pose = hand.pose
    return {
        "name": hand.name,
        "intrinsics": asdict(hand.intrinsics),
        "mirrored": hand.mirrored,
        "joints_m": hand.joints_m.tolist(),
        "joints_known": hand.joints_known.tolist(),
        "box_px": None if hand.box_px is None else hand.box_px.tolist(),
        "pose": pose
        and {
            "pose_rad": pose.pose_rad.tolist(),
            "shape": pose.shape.tolist(),
            "translation_m": None if pose.translation_m is None else pose.translation_m.tolist(),
            "to_camera": pose.to_camera
            and {"rotation": pose.to_camera.rotation.tolist(), "shift_m": pose.to_camera.shift_m.tolist()},
        },
    }


def hand_from_json(content: dict[str, Any]) -> SetHand:
    """The inverse of :func:`hand_to_json`.

    Raises:
        KeyError: something is missing.
        ValueError: something is not what it should be.
    """
    pose = content["pose"]
    change = pose and pose["to_camera"]
    return SetHand(
        name=content["name"],
        intrinsics=Intrinsics(**content["intrinsics"]),
        mirrored=content["mirrored"],
        joints_m=np.array(content["joints_m"], np.float64),
        joints_known=np.array(content["joints_known"], bool),
        pose=pose
        and SetPose(
            np.array(pose["pose_rad"], np.float64),
            np.array(pose["shape"], np.float64),
            None if pose["translation_m"] is None else np.array(pose["translation_m"], np.float64),
            change and FrameChange(np.array(change["rotation"], np.float64), np.array(change["shift_m"], np.float64)),
        ),
        box_px=None if content["box_px"] is None else np.array(content["box_px"], np.float64),
    )
