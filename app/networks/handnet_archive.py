"""One network as one file to share: a zip of its ONNX, safetensors, JSON and card, and nothing else.

An untrusted file is checked: only the known names are taken out, each by its own name and never by a path
of the file's, sizes are counted while unpacking, and the ONNX model may not point to other files.
"""

from __future__ import annotations

import errno
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from app.networks.onnx_check import LARGEST_ONNX_BYTES, refuse_unsafe_onnx
from hand.atomic_file import write_atomically
from hand.checked_files import FILE_FAULTS, fault_of, parse_json
from hand.errors import CheckpointError
from inference.runtime import METADATA_FILE, ONNX_FILE, WEIGHTS_FILE, read_metadata

SUFFIX: Final = ".handnet"
CARD_FILE: Final = "card.md"

LARGEST_BYTES: Final = {
    ONNX_FILE: LARGEST_ONNX_BYTES,
    WEIGHTS_FILE: 512 << 20,
    METADATA_FILE: 1 << 20,
    CARD_FILE: 1 << 20,
}
"""What may be in the file, and how large each part may become."""

_REQUIRED: Final = (ONNX_FILE, METADATA_FILE)
_LARGEST_RATIO: Final = 200
"""Weights hardly shrink: what shrank more than this was made to fill a disk."""

_LONGEST_HEADER: Final = 16 << 20
_CHUNK_BYTES: Final = 1 << 20


def pack_network(folder: Path, file: Path) -> None:
    """Writes a network's folder as one file.

    Args:
        folder: of an exported network.
        file: to write; what was there is replaced once the new file is whole.

    Raises:
        CheckpointError: there is no network in the folder, or the file cannot be written.
    """
    read_metadata(folder)

    def write(target: Path) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            for name in LARGEST_BYTES:
                if (folder / name).is_file():
                    archive.write(folder / name, name)

    try:
        write_atomically(file, write)
    except OSError as problem:
        raise CheckpointError(f"{file} cannot be written ({problem.strerror}); check the disk.") from None


def unpack_network(file: Path, folder: Path) -> None:
    """Takes a shared network out of its file; nothing in it is executed.

    The metadata comes last, after all checks: until then other programs find no network in the folder.

    Args:
        file: a network's file.
        folder: where its parts go; must be empty or not exist yet, and does not exist after a failure.

    Raises:
        CheckpointError: it is no network's file, holds something that does not belong there, or is too large.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} exists already; choose another name for the network.")
    try:
        if not file.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file")
        with zipfile.ZipFile(file) as archive:
            _check_names(archive, file)
            folder.mkdir(parents=True, exist_ok=True)
            for entry in archive.infolist():
                if entry.filename != METADATA_FILE:
                    _take_out(archive, entry, folder, file)
            _check_weights(folder / WEIGHTS_FILE, file)
            refuse_unsafe_onnx(folder / ONNX_FILE, str(file))
            _take_out(archive, archive.getinfo(METADATA_FILE), folder, file)
        read_metadata(folder)
    except CheckpointError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except (*FILE_FAULTS, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as problem:
        shutil.rmtree(folder, ignore_errors=True)
        cause = fault_of(problem)
        raise CheckpointError(f"{file} cannot be opened as a network ({cause}); request it again.") from None


def _check_names(archive: zipfile.ZipFile, file: Path) -> None:
    names = [entry.filename for entry in archive.infolist()]
    for entry in archive.infolist():
        if entry.filename not in LARGEST_BYTES:
            raise CheckpointError(f"{file} holds {entry.filename[:80]!r}, which no network's file has; do not use it.")
        largest = LARGEST_BYTES[entry.filename]
        if entry.file_size > largest or entry.file_size > _LARGEST_RATIO * max(entry.compress_size, 1):
            raise CheckpointError(f"{entry.filename} in {file} is too large ({entry.file_size} bytes); do not use it.")
    if len(set(names)) != len(names):
        raise CheckpointError(f"{file} holds a part twice, which no network's file does; do not use it.")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise CheckpointError(f"{file} should hold {missing[0]} and does not; request it again.")


def _take_out(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, file: Path) -> None:
    """Counts while it writes: the sizes that the file declares are not trusted."""
    written = 0
    with archive.open(entry) as source, (folder / entry.filename).open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > entry.file_size:
                raise CheckpointError(f"{entry.filename} in {file} is larger than it declares; do not use it.")
            target.write(chunk)


def _check_weights(path: Path, file: Path) -> None:
    """Safetensors: the length of a JSON header, the header, then numbers."""
    if not path.exists():
        return
    with path.open("rb") as weights:
        start = weights.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= min(_LONGEST_HEADER, path.stat().st_size - 8):
            raise CheckpointError(f"{WEIGHTS_FILE} in {file} is no safetensors file; do not use it.")
        if not isinstance(parse_json(weights.read(length)), dict):
            raise CheckpointError(f"{WEIGHTS_FILE} in {file} is no safetensors file; do not use it.")
