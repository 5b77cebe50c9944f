"""A process that has imported everything, and runs one command after the other in copies of itself.

Starting a Python with torch anew for each of two hundred commands would take most of an hour. A question is a JSON line
with the words of a command, its folder, its environment, and when it is interrupted; the answer has its exit code (null
where it had to be killed) and what it printed. Nothing here starts a thread before a copy is made.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.environment import prepare_process

_POLL_S = 0.02


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    prepare_process()
    _import_everything()
    for line in sys.stdin:
        question = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                _become(question, output.fileno())
            code = _ended(child, question)
            output.seek(0)
            said = output.read().decode(errors="replace")
        answers.write(json.dumps({"code": code, "said": said}) + "\n")
        answers.flush()


def _import_everything() -> None:
    from trainer.__main__ import COMMANDS

    for module, _ in COMMANDS.values():
        __import__(module)


def _become(question: dict[str, Any], output: int) -> None:
    """Runs the command as the program, in the copy; does not return."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, output), (2, output)):
            os.dup2(source, target)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(question["folder"])
        os.environ.update(question["environment"])
        words = question["words"]
        sys.argv = words[1:] if words[0] == "-m" else words
        if words[0] == "-m":
            # as `python -m` does: a package is run by its __main__
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except KeyboardInterrupt:
        code = 130
        print("Traceback (most recent call last): KeyboardInterrupt", file=sys.stderr)
    except BaseException:  # noqa: BLE001 - whatever it is, the program would show a traceback
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _ended(child: int, question: dict[str, Any]) -> int | None:
    """Waits, interrupts on request, and kills what does not end, with all it has started."""
    started_s = time.monotonic()
    interrupt_s: float | None = question["interrupted_s"]
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed_s = time.monotonic() - started_s
        if interrupt_s is not None and passed_s > interrupt_s:
            os.kill(child, signal.SIGINT)
            interrupt_s = None
        if passed_s > question["patience_s"]:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_POLL_S)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
