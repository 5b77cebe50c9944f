"""``python -m trainer data``: checks a data set before training, and packs it for fast reading."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hand.atomic_file import write_json_atomically
from hand.embedded import training_hand_model
from hand.errors import DataError
from trainer.arguments import whole_number
from trainer.datasets.hand_set import HandSet
from trainer.datasets.opening import open_set, recognised, splits_of
from trainer.datasets.pose_fit import fitter_for
from trainer.datasets.shards import PER_SHARD, pack
from trainer.evaluation.contact_sheet import write_png
from trainer.evaluation.dataset_check import SetReport, check_set
from trainer.evaluation.dataset_check_sheet import check_sheet
from trainer.progress_bar import ProgressBar
from trainer.recipe.dataset_facts import SETS
from trainer.recipe.sources import SET_KINDS

_EXAMPLES: Final = """examples:
  content of a folder, with a contact sheet
    python -m trainer data check data/FreiHAND
  FreiHAND's poses against its joints, with your own MANO file; every hand and not 2000
    python -m trainer data check data/FreiHAND --hand-model MANO_RIGHT.pkl --most 0
  packed into tar files, for disks that are slow with many small files; then in a recipe:
  {kind: shards, path: data/FreiHAND_shards}
    python -m trainer data pack data/FreiHAND --out data/FreiHAND_shards
docs/datasets.md lists the sources of the sets and their layouts.
"""

EXIT_REFUSED: Final = 1
"""Of ``data check``: training would refuse the set."""


def main(arguments: Sequence[str]) -> int:
    """Reads the command line and runs the command.

    Returns:
        The exit code: 0, or :data:`EXIT_REFUSED`.

    Raises:
        HandliveError: the folder is no data set, or the hand model cannot be used.
    """
    options = _parser().parse_args(arguments)
    if options.command == "check":
        return _check(options)
    _pack(options)
    return 0


def _check(options: argparse.Namespace) -> int:
    """``data check``: prints the findings about each split, and at the end a verdict on each.

    Raises:
        HandliveError: the folder is no data set, or the hand model cannot be used.
    """
    kind = options.kind or recognised(options.folder)
    model = training_hand_model(options.hand_model)
    sets: list[tuple[HandSet, SetReport]] = []
    reports: list[SetReport] = []
    for split in splits_of(kind, options.folder):
        try:
            hands = open_set(kind, options.folder, split)
        except DataError as problem:
            title = f"{SETS[kind].title if kind in SETS else 'packed set'}, {split}"
            reports.append(SetReport(title, 0, 0, 0.0, (), refusal=str(problem)))
            continue
        wanted = len(hands) if options.most <= 0 else min(options.most, len(hands))
        fitter = fitter_for(hands, model, strict=False)
        with ProgressBar(total=wanted, desc=split, unit=" hands") as bar:
            report = check_set(hands, fitter, split, options.most, bar.update)
        sets.append((hands, report))
        reports.append(report)
    # the file first: writing to a closed pipe may end the program
    write_json_atomically(options.out / "check.json", {report.title: report.as_json() for report in reports})
    drawn = any(report.hands for report in reports)
    if drawn:
        write_png(options.out / "sheet.png", check_sheet(sets, model.faces))
    for _, report in sets:
        print("\n".join(report.lines()))
    if drawn:
        print(f"The contact sheet is {options.out / 'sheet.png'}.")
    print(f"All that was found is in {options.out / 'check.json'}.")
    print("\n".join(report.verdict() for report in reports))
    return EXIT_REFUSED if any(report.refusal for report in reports) else 0


def _pack(options: argparse.Namespace) -> None:
    """``data pack``.

    Raises:
        HandliveError: the folder is no data set, or the other one is in use.
    """
    kind = options.kind or recognised(options.folder)
    for split in splits_of(kind, options.folder):
        hands = open_set(kind, options.folder, split)
        with ProgressBar(total=len(hands), desc=split, unit=" hands") as bar:
            packed, left_out = pack(hands, options.out / split, per_shard=options.per_shard, tick=bar.update)
        without = f"; {left_out} without annotation were left out" if left_out else ""
        print(f"{options.out / split} holds {packed} hands of {hands.facts.title}{without}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Check a data set before training, or pack it into tar files.",
        epilog=_EXAMPLES,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        help="counts, broken pictures, poses held against joints, and a contact sheet",
        description="Read a data set as training would, and report counts, broken pictures and how far posed hands\n"
        "miss their labelled joints. sheet.png shows joints and meshes on their pictures: check it before training.\n"
        "A verdict ends the report; the exit code is 1 where training would refuse the set.",
        epilog=_EXAMPLES,
    )
    check.add_argument("folder", type=Path, metavar="DIR", help="the folder of the set")
    check.add_argument("--kind", choices=SET_KINDS, help="which set it is (default: judged by its files)")
    check.add_argument(
        "--hand-model", default="", metavar="FILE", help="your MANO_RIGHT.pkl, for sets labelled with MANO"
    )
    check.add_argument(
        "--most",
        type=whole_number(0),
        default=2000,
        help="hands of each split to check, evenly spread; 0 for all (default: 2000)",
    )
    check.add_argument("--out", type=Path, default=Path("reports/data"), help="default: reports/data")
    pack_ = commands.add_parser(
        "pack",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        help="tar files of a thousand hands each, read back identically",
        description="Pack a data set into tar files in WebDataset's layout, split by split; a recipe reads them as a\n"
        "source of kind shards. Pictures keep their bytes and labels their numbers.",
        epilog=_EXAMPLES,
    )
    pack_.add_argument("folder", type=Path, metavar="DIR", help="the folder of the set")
    pack_.add_argument("--out", type=Path, required=True, metavar="SHARDS", help="folder to write to, empty or new")
    pack_.add_argument("--kind", choices=SET_KINDS, help="which set it is (default: judged by its files)")
    pack_.add_argument(
        "--per-shard", type=whole_number(1), default=PER_SHARD, help=f"hands in a tar file (default: {PER_SHARD})"
    )
    return parser
