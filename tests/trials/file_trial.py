"""Damaged files of every kind, read by a child process."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.trials.counts import Finding, Outcome
from tests.trials.hostile_files import MARK, bmp_bomb, mutations, png_bomb, zip_bomb

PATIENCE_S = 20.0
MOST_MB = 2000.0


class Worker:
    """The child process, started again whenever it is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **question: object) -> dict[str, Any]:
        process = self._process
        if process is None or process.poll() is not None:
            root = Path(__file__).resolve().parents[2]
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.trials.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=self._folder,
                env=os.environ | {"PYTHONPATH": str(root)},
            )
            self._patience_s = 6 * PATIENCE_S  # the first answer comes behind all imports
        if "read" not in question:
            self._patience_s = 6 * PATIENCE_S  # nothing hostile
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question, default=str) + "\n")
        process.stdin.flush()
        ready = select.select([process.stdout], [], [], self._patience_s)[0]
        self._patience_s = PATIENCE_S
        line = process.stdout.readline() if ready else ""
        if line:
            return dict(json.loads(line))
        process.kill()
        process.wait()
        if ready:
            return {"finding": "tracebacks", "detail": f"the process died ({process.returncode})", "peak_mb": 0.0}
        return {"finding": "hangs", "detail": f"no answer for {PATIENCE_S:g} s", "peak_mb": 0.0}

    def end(self) -> None:
        """Ends it, so that the next one begins with little memory."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _special(suffix: str) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """What takes a file's place and is none."""
    yield "a folder", Path.mkdir
    if hasattr(os, "mkfifo"):
        yield "a pipe", os.mkfifo
        yield "a device", lambda path: path.symlink_to("/dev/zero")
    yield "a link to itself", lambda path: path.symlink_to(path)
    yield "a terabyte of nothing", _sparse
    if suffix in (".jpg", ".png"):
        yield "a bomb", png_bomb
        yield "another bomb", bmp_bomb
    if suffix in (".handnet", ".npz", ".pkl"):
        yield "a bomb", lambda path: zip_bomb(path, "network.json" if suffix == ".handnet" else "vertices_m.npy")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def try_files(scratch: Path, seed: int, most: int) -> Iterator[Outcome]:
    """Every reader on every damage.

    Args:
        scratch: an empty folder.
        seed: of everything random.
        most: random damages for each reader.
    """
    worker = Worker(scratch)
    for number, (name, file) in enumerate(worker.ask(list=True)["readers"]):
        whole = scratch / "whole"
        whole.mkdir()
        made = worker.ask(make=name, folder=whole)
        if made["finding"]:
            yield Outcome("files", f"{name}: made", Finding.LOST, made["detail"])
            shutil.rmtree(whole)
            continue
        content = (whole / file).read_bytes()
        damages: list[tuple[str, Callable[[Path], object]]] = [
            (what, lambda path, data=data: path.write_bytes(data))  # type: ignore[misc]
            for what, data in mutations(content, zlib.crc32(f"{seed} {number}".encode()), most)
        ]
        damages += _special(Path(file).suffix)
        damages.append(("missing", lambda _path: None))
        for what, damage in damages:
            folder = scratch / "case"
            shutil.copytree(whole, folder)
            (folder / file).unlink()
            damage(folder / file)
            yield _judged(name, what, worker.ask(read=name, folder=folder), worker, scratch)
            shutil.rmtree(folder, ignore_errors=True)
        worker_state = worker.ask(read=name, folder=whole)
        if worker_state["finding"]:
            yield Outcome("files", f"{name}: whole", Finding.LOST, worker_state["detail"])
        shutil.rmtree(whole)
    worker.end()


def _judged(name: str, what: str, answer: dict[str, Any], worker: Worker, scratch: Path) -> Outcome:
    case = f"{name}: {what}"
    marks = list(scratch.rglob(MARK))
    if marks:
        for path in marks:
            path.rmdir()
        return Outcome("files", case, Finding.EXECUTED, "a pickle was loaded freely")
    if answer["finding"]:
        return Outcome("files", case, Finding(answer["finding"]), answer["detail"])
    if answer["peak_mb"] > MOST_MB:
        worker.end()  # its peak would count against the next case
        return Outcome("files", case, Finding.MEMORY, f"{answer['peak_mb']:.0f} MB")
    return Outcome("files", case)
