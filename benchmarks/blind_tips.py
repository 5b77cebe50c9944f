"""Which of two estimates is nearer to people's finger tips, judged by eye without knowing which is which.

    python -m benchmarks.blind_tips sheets --labels FILE --photographs DIR --out blind [--between network ik]
    python -m benchmarks.blind_tips score blind 3G 6M 8G ...

Labels of photographs are made by MediaPipe, so they favour IK. This needs none: they only tell which hands there are.
Where two estimates of a finger tip are apart, the sheets show the picture around it with one of them green and the
other magenta, in a random order. Whoever judges writes the number and the color of the nearer one, and leaves out tips
that are hidden or equally near. The score is the share of each estimate, with a 95 % interval; equally good ones have
a half.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from scipy.stats import binomtest

from app.pipeline.fused_track import WEIGHTS_FILE
from app.sources.picture_files import read_picture
from benchmarks.fusion_cases import BothPaths, FusionCase, both_states, labelled_cases, load_cases, save_cases
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.joints import FINGERS, TIP_JOINTS
from inference.fusion_weights import load_weights
from inference.hand_fusion import HandFusion

ESTIMATES: Final = ("network", "ik", "fused")
LEAST_APART, MOST_APART = 0.045, 0.25
"""Distance of both tips over the hand's box: nearer ones cannot be told apart by eye, farther ones are other hands'."""

_KEY_FILE: Final = "key.json"
_COLORS: Final = {"G": (0, 255, 0), "M": (255, 0, 255)}
_COLUMNS, _ROWS = 6, 4
_TILE_PX: Final = 300
_TILE_OF_BOX: Final = 0.84
_DOT_PX: Final = 4
_LEAST_CONFIDENCE: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TipPair:
    """Two estimates of one finger tip.

    Attributes:
        case: the picture, as of a right hand.
        finger: number in ``hand.joints.FINGERS``.
        places_px: both estimates.
        apart: their distance over the hand's box.
        tile_px: side of the part of the picture to show.
    """

    case: FusionCase
    finger: int
    places_px: np.ndarray
    apart: float
    tile_px: float


def tip_pairs(cases: Sequence[FusionCase], between: tuple[str, str]) -> list[TipPair]:
    """All tips of which two estimates are clearly apart.

    Args:
        cases: photographs.
        between: two of :data:`ESTIMATES`.
    """
    fusion = HandFusion(load_embedded_model(), load_weights(WEIGHTS_FILE))
    pairs = []
    for case in cases:
        states = both_states(case)
        if states is None:
            continue
        hands = dict(zip(ESTIMATES, (*states, fusion.fuse(*states, case.intrinsics)), strict=True))
        first, second = (project(np.asarray(hands[name].joints_m, np.float64), case.intrinsics) for name in between)
        box_px = float(np.ptp(case.joints_px, axis=0).max())
        for finger, joint in enumerate(TIP_JOINTS):
            apart = float(np.linalg.norm(first[joint] - second[joint])) / box_px
            if LEAST_APART < apart < MOST_APART:
                places = np.stack([first[joint], second[joint]])
                pairs.append(TipPair(case, finger, places, apart, _TILE_OF_BOX * box_px))
    return pairs


def write_sheets(pairs: Sequence[TipPair], between: tuple[str, str], options: argparse.Namespace) -> None:
    """Writes sheets of randomly chosen tips, and the key that says which color is which estimate."""
    rng = np.random.default_rng(options.seed)
    chosen = rng.permutation(len(pairs))[: options.tips]
    tiles, key = [], []
    for number, index in enumerate(chosen):
        order = rng.permutation(2)
        tiles.append(_tile(pairs[index], options.photographs, order, number))
        key.append({color: between[place] for color, place in zip(_COLORS, order, strict=True)})
    options.out.mkdir(parents=True, exist_ok=True)
    for sheet in options.out.glob("sheet_*.png"):
        sheet.unlink()  # of another run
    per_sheet = _COLUMNS * _ROWS
    for start in range(0, len(tiles), per_sheet):
        part = tiles[start : start + per_sheet]
        part += [np.zeros_like(tiles[0])] * (-len(part) % _COLUMNS)
        rows = [np.hstack(part[row : row + _COLUMNS]) for row in range(0, len(part), _COLUMNS)]
        cv2.imwrite(str(options.out / f"sheet_{start // per_sheet}.png"), np.vstack(rows)[..., ::-1])
    (options.out / _KEY_FILE).write_text(json.dumps(key), encoding="utf-8")
    print(f"{len(tiles)} of {len(pairs)} tips on sheets in {options.out}; do not open {_KEY_FILE} before the score.")


def _tile(pair: TipPair, photographs: Path, order: np.ndarray, number: int) -> np.ndarray:
    picture = read_picture(photographs / pair.case.name)
    if pair.case.side == "left":
        picture = np.ascontiguousarray(picture[:, ::-1])
    zoom = _TILE_PX / pair.tile_px
    middle = pair.places_px.mean(0)
    shift = 0.5 * _TILE_PX - zoom * middle
    tile = cv2.warpAffine(
        picture, np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]]), (_TILE_PX, _TILE_PX), flags=cv2.INTER_CUBIC
    )
    for color, place in zip(_COLORS.values(), order, strict=True):
        x, y = np.rint(zoom * pair.places_px[place] + shift).astype(int).tolist()
        cv2.circle(tile, (x, y), _DOT_PX + 1, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(tile, (x, y), _DOT_PX, color, -1, cv2.LINE_AA)
    caption = f"{number} {FINGERS[pair.finger]}"
    cv2.putText(tile, caption, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 0), 2)
    return tile


def print_score(folder: Path, answers: Sequence[str]) -> None:
    """Prints how often each estimate was the nearer one.

    Args:
        folder: of the sheets.
        answers: a number and a color each, as "12M".
    """
    key = json.loads((folder / _KEY_FILE).read_text(encoding="utf-8"))
    nearer = [key[int(answer[:-1])][answer[-1].upper()] for answer in answers]
    for name in sorted(set(key[0].values())):
        count = nearer.count(name)
        interval = binomtest(count, len(nearer)).proportion_ci(0.95, method="wilson")
        print(f"{name}: nearer in {count} of {len(nearer)} ({interval.low:.0%} to {interval.high:.0%})")


def _cases(options: argparse.Namespace) -> list[FusionCase]:
    if options.cases is not None and options.cases.is_file():
        return load_cases(options.cases)
    with BothPaths() as paths:
        cases = list(labelled_cases(paths, options.labels, options.photographs, _LEAST_CONFIDENCE, options.pictures))
    if options.cases is not None:
        save_cases(cases, options.cases)
    return cases


def main() -> None:
    """Writes sheets, or prints the score of what was judged."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.blind_tips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sheets = commands.add_parser("sheets")
    sheets.add_argument("--labels", type=Path, required=True, help="which hands there are, written by predict --looks")
    sheets.add_argument("--photographs", type=Path, required=True, help="the folder these were written for")
    sheets.add_argument("--between", nargs=2, choices=ESTIMATES, default=("network", "ik"))
    sheets.add_argument("--pictures", type=int, default=240)
    sheets.add_argument("--tips", type=int, default=72)
    sheets.add_argument("--seed", type=int, default=0)
    sheets.add_argument("--cases", type=Path, help="file of the paths' results; read if it exists")
    sheets.add_argument("--out", type=Path, required=True)
    score = commands.add_parser("score")
    score.add_argument("folder", type=Path)
    score.add_argument("answers", nargs="+")
    options = parser.parse_args()
    if options.command == "score":
        print_score(options.folder, options.answers)
        return
    between = (options.between[0], options.between[1])
    write_sheets(tip_pairs(_cases(options), between), between, options)


if __name__ == "__main__":
    main()
