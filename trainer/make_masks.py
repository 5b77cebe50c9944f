"""``python -m trainer masks``: where the hands are in labelled photographs, to put them before other backgrounds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hand.picture_file import write_picture
from trainer.progress_bar import ProgressBar
from trainer.recipe.sources import PhotographSource
from trainer.samples.hand_masks import mask_in_photograph, mask_name
from trainer.samples.photographs import photograph_of, read_pseudo_labels


def _share(text: str) -> float:
    with suppress(ValueError):
        share = float(text)
        if 0.0 <= share <= 1.0:
            return share
    raise argparse.ArgumentTypeError(f"needs a number from 0 to 1, got {text[:40]!r}")


def main(arguments: Sequence[str]) -> None:
    """Reads the command line and writes the masks that are not there yet.

    Raises:
        DataError: the prediction file or a picture cannot be read.
        ConfigError: no label is confident enough.
    """
    parser = argparse.ArgumentParser(prog="python -m trainer masks", description=__doc__)
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="what `main_v2.py predict` wrote; of both methods, the `fused` hands alone",
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder that its file names are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for the masks, the `masks` of a recipe")
    parser.add_argument("--floor", type=_share, default=0.4, help="least confidence of a label (default: 0.4)")
    options = parser.parse_args(arguments)
    labels = read_pseudo_labels(
        PhotographSource(path=str(options.predictions), pictures=str(options.pictures), floor=options.floor)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    for label in ProgressBar(labels, desc="masks", unit="hand"):
        path = options.out / mask_name(label.file, label.joints_px)
        if not path.exists():
            write_picture(path, mask_in_photograph(photograph_of(label), label.joints_px))
    print(f"{len(labels)} masks are in {options.out}.")
