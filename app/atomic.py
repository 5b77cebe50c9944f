"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Writes JSON through a temporary file beside it, so that a killed process leaves no half file.

    Args:
        path: the file; its folder is made.
        content: plain values; NaN is refused, because JSON has none.

    Raises:
        OSError: the folder or file cannot be written.
        ValueError: there is a NaN in the content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
