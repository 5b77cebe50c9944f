"""``python -m app.labelling SESSION ...``: labels recorded sessions; progress is printed as JSON lines."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import cv2

from app.labelling.session_labeller import label_session
from hand.embedded import load_model
from hand.errors import HandliveError


def main() -> int:
    """Labels one session after the other; 2 when one of them could not be."""
    options = _parser().parse_args()
    cv2.setNumThreads(1)
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(10)  # the live picture has priority
    try:
        model = load_model(options.hand_model)
        from ik_baseline.detector import HandDetector

        for folder in options.sessions:

            def report(stage: str, share: float, folder: Path = folder) -> None:
                print(json.dumps({"session": str(folder), "stage": stage, "share": round(share, 3)}), flush=True)

            with HandDetector(1, still=True) as detector:
                offline = label_session(folder, model, detector=detector, progress=report)
            kept = sum(label.weight > 0.0 for label in offline.labels)
            print(json.dumps({"session": str(folder), "labels": len(offline.labels), "kept": kept}), flush=True)
    except (HandliveError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.labelling", description=__doc__)
    parser.add_argument("sessions", nargs="+", type=Path, help="folders of recorded sessions")
    parser.add_argument("--hand-model", type=Path, help="MANO file the sessions were recorded with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
