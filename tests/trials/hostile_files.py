"""Hostile files: whole ones of every kind the program reads, and their damaged forms, made from a seed."""

from __future__ import annotations

import json
import os
import pickle
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DEEP = 60_000

ODD_VALUES: tuple[str, ...] = (
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "9" * 400,
    '""',
    '"../../../etc/passwd"',
    '"\\ud800"',
    '"' + "x" * 100_000 + '"',
    "[]",
    "{}",
    "[[[[]]]]",
    "[" * DEEP + "]" * DEEP,
    '{"a":' * 2000 + "1" + "}" * 2000,
)
"""JSON text that takes the place of a value."""


def mutations(whole: bytes, seed: int, most: int) -> Iterator[tuple[str, bytes]]:
    """What may be in a file instead of its content.

    Args:
        whole: the content as it should be.
        seed: of everything random.
        most: of the mutations that are drawn.
    """
    rng = random.Random(seed)
    yield "empty", b""
    yield "random bytes", rng.randbytes(4096)
    yield "zeros", bytes(4096)
    yield "UTF-16", whole.decode("latin-1").encode("utf-16")
    yield "no UTF-8", b"\xff\xfe\x80" + whole
    yield "pickle", _calling_pickle()
    yield "deep list", b"[" * DEEP
    yield "other kind", b'["list"]'
    for number in range(most):
        kind = rng.randrange(3)
        if kind == 0:
            yield f"cut {number}", whole[: rng.randrange(max(len(whole), 1))]
        elif kind == 1:
            changed = bytearray(whole)
            for _ in range(1 + len(whole) // 200):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield f"flipped {number}", bytes(changed)
        else:
            yield f"value {number}", _with_odd_value(whole, rng)


MARK = "executed-by-a-file"


def _calling_pickle() -> bytes:
    """A pickle that makes a file in the current folder when it is loaded freely."""

    class Call:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return os.mkdir, (MARK,)

    return pickle.dumps(Call())


def _with_odd_value(whole: bytes, rng: random.Random) -> bytes:
    """JSON, or the first line of it, with one value that is another."""
    line, _, rest = whole.partition(b"\n") if _parsed(whole) is None else (whole, b"", b"")
    content = _parsed(line)
    if content is None:
        return rng.choice(ODD_VALUES).encode()
    places = list(_places(content, ()))
    if not places:
        return rng.choice(ODD_VALUES).encode()
    place = rng.choice(places)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    hole = "@@hole@@"
    inner[place[-1]] = hole
    return json.dumps(content).replace(f'"{hole}"', rng.choice(ODD_VALUES)).encode() + b"\n" + rest


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _places(content: Any, before: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield (*before, key)
        if len(before) < 3:
            yield from _places(value, (*before, key))


def png_bomb(path: Path, side: int = 40_000) -> None:
    """A PNG of some kilobytes that declares 1600 million pixels, and has them."""
    head = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side // 16)) + packer.flush()
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    packed = (
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def bmp_bomb(path: Path, side: int = 40_000) -> None:
    """A BMP of its header alone, which is of no kind whose size the program reads itself."""
    head = (40).to_bytes(4, "little") + side.to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    path.write_bytes(b"BM" + (54).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + head)


def zip_bomb(path: Path, name: str) -> None:
    """A file of a megabyte that unpacks into a gigabyte."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as entry,
    ):
        for _ in range(1024):
            entry.write(bytes(1 << 20))
