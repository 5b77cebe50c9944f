"""The child process of the trial: reads one damaged file after the other, and reports how that ended.

A request is a JSON line, and so is the answer: ``{"list": true}`` requests all readers with their files' names,
``{"make": READER, "folder": ...}`` for a whole file, ``{"read": READER, "folder": ...}`` for a case. Everything runs in
one process, because starting one takes longer than a hundred cases; the parent starts another where this one hangs or
dies, and imports nothing of the program itself.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from app.environment import prepare_process

    prepare_process()
    import logging

    logging.disable(logging.CRITICAL)
    from hand.errors import HandliveError
    from tests.trials.readers import READERS, LostError

    for line in sys.stdin:
        case = json.loads(line)
        answer: dict[str, Any] = {"finding": "", "detail": ""}
        try:
            if "list" in case:
                answer["readers"] = [(name, reader.file) for name, reader in READERS.items()]
            elif "make" in case:
                reader, folder = READERS[case["make"]], Path(case["folder"])
                reader.make(folder)
                reader.read(folder)  # imports what it needs, for which a damaged file is given no time
            else:
                READERS[case["read"]].read(Path(case["folder"]))
        except HandliveError as sentence:
            if "\n" in str(sentence).strip():
                answer |= {"finding": "tracebacks", "detail": f"more than a line: {str(sentence)[:200]!r}"}
        except LostError as lost:
            answer |= {"finding": "lost", "detail": str(lost)}
        except BaseException as problem:  # noqa: BLE001 - whatever it is, the program would show a traceback
            place = traceback.extract_tb(problem.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            answer |= {"finding": "tracebacks", "detail": f"{type(problem).__name__} at {where}: {str(problem)[:150]}"}
        answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
