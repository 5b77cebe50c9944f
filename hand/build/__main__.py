"""``python -m hand.build``: writes the embedded hand model, its card and its contact sheet, or checks the model.

``--check`` compares the model's bytes alone: the sheet passes through rasteriser and PNG writer, whose last bits may
vary.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2

from hand.build.assemble import build_model
from hand.build.card import model_card
from hand.build.contact_sheet import contact_sheet
from hand.build.write import model_arrays, npz_bytes, sha256, write_if_changed
from hand.embedded import EMBEDDED_MODEL_FILE
from hand.mano_files import load_hand_model


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, or 1 when ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(
        prog="python -m hand.build", description="Builds the embedded hand model from measures."
    )
    parser.add_argument("--output", type=Path, default=EMBEDDED_MODEL_FILE, help="npz file to write")
    parser.add_argument("--check", action="store_true", help="build, write nothing, compare with the file's bytes")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    built = build_model()
    data = npz_bytes(model_arrays(built))
    print(f"built in {time.perf_counter() - started:.0f} s, {len(data)} bytes, sha256 {sha256(data)}")
    if options.check:
        same = options.output.exists() and options.output.read_bytes() == data
        print(f"{options.output}: {'the same bytes' if same else 'DIFFERENT'}")
        return 0 if same else 1
    written = write_if_changed(options.output, data)
    print(f"{options.output}: {'written' if written else 'unchanged'}")
    model = load_hand_model(options.output)
    card, sheet = options.output.with_name("card.md"), options.output.with_name("contact_sheet.png")
    card.write_text(model_card(built, model, sha256(data)), encoding="utf-8")
    cv2.imwrite(str(sheet), cv2.cvtColor(contact_sheet(model), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{card}\n{sheet}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
