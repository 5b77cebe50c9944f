"""handlive: a webcam picture in, a moving 3D hand in MANO format out. ``python main_v2.py --help`` says the rest."""

from __future__ import annotations

import sys

from app.environment import prepare_process


def main() -> int:
    """Starts the program; the exit code is 0, 2 after a refusal in one sentence on stderr, or 130 after Ctrl+C."""
    prepare_process()
    # behind the preparation, because it must come before OpenCV and Qt
    from app.command_line import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
