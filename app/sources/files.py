"""Telling whether a file or folder changed since it failed, so that it is tried again only then."""

from __future__ import annotations

from pathlib import Path


def file_signature(path: Path) -> tuple[int, int] | None:
    """Modification time (ns) and size, or None when there is nothing to read."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
