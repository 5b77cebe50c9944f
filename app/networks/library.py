"""All networks of this user, and the history of which was live when."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.networks.handnet_archive import CARD_FILE, pack_network, unpack_network
from app.user_dirs import networks_folder
from hand.atomic_file import append_line, make_new_folder, write_atomically
from hand.checked_files import FILE_FAULTS, parse_json, read_checked
from hand.errors import CheckpointError
from inference.runtime import METADATA_FILE, ONNX_FILE, WEIGHTS_FILE, read_metadata

logger = logging.getLogger(__name__)

_HISTORY_FILE: Final = "history.jsonl"
_PARTS: Final = (ONNX_FILE, WEIGHTS_FILE, CARD_FILE, METADATA_FILE)
"""The metadata last: a folder that has it has everything."""


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """One network of the library.

    Attributes:
        folder: where it lies.
        name: for people.
        own: the user's own, which may be deleted.
        shipped: it is part of the program.
        tunable: it has the weights that training starts from.
        card: what is known about it, Markdown.
        figures: measured when it was made.
    """

    folder: Path
    name: str
    own: bool
    shipped: bool
    tunable: bool
    card: str
    figures: dict[str, float]

    @property
    def title(self) -> str:
        """Its name, made different from others of the same name."""
        if self.own:
            return self.name
        return f"{self.name} (shipped)" if self.shipped else f"{self.name} (in {self.folder.name})"


@dataclass(frozen=True, slots=True)
class Swap:
    """One line of the history.

    Attributes:
        time_utc: ISO 8601.
        folder: of the network that went live.
        name: of it.
        reason: "swap", "revert" or "start".
    """

    time_utc: str
    folder: str
    name: str
    reason: str


class NetworkLibrary:
    """The shipped network, and those in the user's folder."""

    def __init__(self, shipped: Path, folder: Path | None = None, beside: Sequence[Path] = ()) -> None:
        """Keeps the folders.

        Args:
            shipped: folder of the shipped network.
            folder: of the user's own; in the user's data folder when None.
            beside: further networks to offer, such as one that was named on the command line.
        """
        self.shipped = shipped
        self.beside = tuple(path for path in beside if path.resolve() != shipped.resolve())
        self.problems: tuple[str, ...] = ()
        """Why networks of the last listing could not be read, a sentence for each."""
        self.folder = folder or networks_folder()
        self._complained = False

    def entries(self) -> list[NetworkEntry]:
        """All networks that can be read, the shipped one first, then the newest; ``problems`` names the others."""
        files = sorted(self.folder.glob(f"*/{METADATA_FILE}"), key=_modified_s, reverse=True)
        own = [file.parent for file in files]
        beside = [path for path in self.beside if path.resolve() not in [folder.resolve() for folder in own]]
        found: list[NetworkEntry] = []
        problems: list[str] = []
        for folder in (self.shipped, *beside, *own):
            try:
                found.append(self.entry(folder))
            except CheckpointError as problem:
                problems.append(str(problem))
        self.problems = tuple(problems)
        return found

    def entry(self, folder: Path) -> NetworkEntry:
        """What is known about one network.

        Raises:
            CheckpointError: there is none in the folder.
        """
        metadata = read_metadata(folder)
        card = ""
        with suppress(*FILE_FAULTS):
            card = read_checked(folder / CARD_FILE).decode(errors="replace")
        figures = metadata.get("figures")
        name = str(metadata.get("name") or folder.name)
        tunable = (folder / WEIGHTS_FILE).is_file()
        own, shipped = folder.parent == self.folder, folder == self.shipped
        return NetworkEntry(folder, name, own, shipped, tunable, card, _real_numbers(figures))

    def add(self, source: Path, name: str = "") -> NetworkEntry:
        """Copies a network into the library: an exported folder, or a shared file.

        Args:
            source: folder or file.
            name: to call its folder by, made plain; the source's own when empty.

        Raises:
            CheckpointError: it is no network, holds what no network has, or the disk is full.
        """
        if source.is_dir():
            read_metadata(source)
        target = self._new_folder(name or (source.stem if source.is_file() else source.name))
        try:
            if source.is_dir():
                for part in _PARTS:
                    if (source / part).is_file():
                        write_atomically(target / part, partial(shutil.copyfile, source / part))
            else:
                unpack_network(source, target)
        except OSError as problem:
            shutil.rmtree(target, ignore_errors=True)
            raise CheckpointError(f"The network cannot be copied to {target} ({problem.strerror}).") from None
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        return self.entry(target)

    def share(self, entry: NetworkEntry, file: Path) -> None:
        """Writes a network as one file.

        Raises:
            CheckpointError: the file cannot be written.
        """
        pack_network(entry.folder, file)

    def delete(self, entry: NetworkEntry) -> None:
        """Deletes one of the user's own networks.

        Raises:
            CheckpointError: it is not the user's own, or the disk keeps it.
        """
        if not entry.own:
            raise CheckpointError(f"{entry.name} is part of the program and cannot be deleted.")
        try:
            shutil.rmtree(entry.folder)
        except OSError as problem:
            raise CheckpointError(
                f"{entry.name} cannot be deleted ({problem.strerror}); check who may write to {entry.folder}."
            ) from None

    def note(self, folder: Path, name: str, reason: str) -> None:
        """Notes in the history that a network went live."""
        line = {
            "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "folder": str(folder),
            "name": name,
            "reason": reason,
        }
        # a history that cannot be written must not keep a network from going live
        with suppress(OSError):
            append_line(self.folder / _HISTORY_FILE, json.dumps(line))

    def history(self) -> list[Swap]:
        """Which networks were live, the newest first; damaged lines are left out, which is logged once."""
        try:
            lines = read_checked(self.folder / _HISTORY_FILE).decode(errors="replace").splitlines()
        except FILE_FAULTS:
            return []
        swaps, damaged = [], 0
        for line in lines:
            try:
                content: dict[str, Any] = parse_json(line)
                swaps.append(Swap(*(str(content[key]) for key in ("time_utc", "folder", "name", "reason"))))
            except FILE_FAULTS:
                damaged += 1
        if damaged and not self._complained:
            self._complained = True
            logger.warning("%d damaged lines of %s are left out.", damaged, self.folder / _HISTORY_FILE)
        return swaps[::-1]

    def last_live(self) -> Path | None:
        """The network that was live last, to begin with it again; None where there is none, or it is gone."""
        for swap in self.history()[:1]:
            with suppress(CheckpointError):
                read_metadata(Path(swap.folder))
                return Path(swap.folder)
        return None

    def _new_folder(self, name: str) -> Path:
        """Makes the folder of a new network; two programs that add one of the same name at once get two folders."""
        # a name made of plain characters alone, whatever a stranger called the file
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:40]
        if plain in ("", "network"):
            plain = datetime.now().strftime("network-%Y-%m-%d-%H-%M-%S")
        try:
            return make_new_folder(self.folder, plain, separator="-")
        except OSError as problem:
            raise CheckpointError(
                f"The network cannot be copied to {self.folder} ({problem.strerror or problem}); check the disk."
            ) from None


def _modified_s(path: Path) -> float:
    """When a file was written; 0 where it is gone by now."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _real_numbers(figures: object) -> dict[str, float]:
    """The figures in an untrusted file, without invalid ones: they are for people, and no reason to reject the file."""
    return {
        str(key): float(value)
        for key, value in (figures.items() if isinstance(figures, dict) else ())
        if type(value) in (int, float) and abs(value) <= sys.float_info.max  # as NaN and infinity are not
    }
