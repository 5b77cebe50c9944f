"""handlive: turns a webcam picture into a moving 3D hand in MANO format; ``--help`` lists the options."""

from __future__ import annotations

from typing import NoReturn

from app.environment import prepare_process


def main() -> NoReturn:
    """Runs the program and ends the process.

    The exit code is 0, 2 after an error reported as one sentence on stderr, or 130 after an interruption.
    """
    prepare_process()
    # behind the preparation, because it must come before OpenCV and Qt
    from app.command_line import run
    from app.end_signals import leave_process

    leave_process(run())


if __name__ == "__main__":
    main()
