"""The child process of ``app.networks.vetting``: loads a network under limits, runs it, and reports the result.

Takes the network's folder, the bytes of memory and the seconds of computing that loading and running may take beyond
this process's own start. Writes one JSON line: ``{"error_mm": ...}`` or ``{"problem": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import onnxruntime  # noqa: F401 - before the limits, which count from here

from app.networks.live_network import LoadedNetwork
from app.networks.onnx_check import refuse_unsafe_onnx
from app.networks.trial import demo_error_mm
from hand.errors import HandliveError
from inference.runtime import ONNX_FILE, load_network


def main() -> int:
    """The exit code is 0 where a line was written."""
    folder, memory, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # other output must not end up among the answers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_resources(memory, seconds)
    content: dict[str, float | str]
    try:
        refuse_unsafe_onnx(folder / ONNX_FILE, str(folder))
        content = {"error_mm": demo_error_mm(LoadedNetwork(folder, load_network(folder)))}
    except HandliveError as problem:
        content = {"problem": str(problem)}
    except MemoryError:
        content = {"problem": f"The network in {folder} needs more than {memory >> 20} MiB of memory; do not use it."}
    except Exception as problem:  # noqa: BLE001 - an untrusted network may break an engine in any way
        content = {"problem": f"The network in {folder} cannot be tried ({problem}); do not use it."}
    answers.write(json.dumps(content) + "\n")
    answers.flush()
    return 0


def limit_resources(memory_bytes: int, seconds: int) -> None:
    """Limits this process where the system can: Windows has no such limits, and macOS none of memory.

    Args:
        memory_bytes: of address space beyond what is in use.
        seconds: of computing beyond what was used.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with suppress(OSError, ValueError):
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """Waits for the end of the input, which the system closes when the parent process ends, however it ends."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
