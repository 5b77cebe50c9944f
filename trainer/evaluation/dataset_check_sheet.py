"""A data set's contact sheet: hands with their joints, and with the posed mesh over them, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from hand.camera import Intrinsics, project
from hand.crop import crop_around, crop_picture
from hand.joints import BONES
from hand.shading import MeshRenderer
from trainer.datasets.hand_set import HandSet, picture_of
from trainer.evaluation.contact_sheet import CAPTION_PX, GAP_PX, PAPER, write_on
from trainer.evaluation.dataset_check import CheckedHand, SetReport
from trainer.evaluation.report_page import PICTURE_PX, finger_color
from trainer.synthetic.scene_description import crop_intrinsics

COLUMNS: Final = 4
"""Hands in a row, each with two pictures."""

MOST_ROWS: Final = 3
"""Rows of hands of each split."""

_EXPANSION: Final = 1.5
_HEADING_PX: Final = 44


def check_sheet(sets: Sequence[tuple[HandSet, SetReport]], faces: Int[np.ndarray, "F 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Some hands of each split, evenly spread; those with a pose that contradicts the joints come first.

    Args:
        sets: splits, with what was found out about them.
        faces: of the hand model that their poses were held against.
    """
    return np.concatenate([_part(hands, report, faces) for hands, report in sets])


def _part(hands: HandSet, report: SetReport, faces: Int[np.ndarray, "F 3"]) -> UInt8[np.ndarray, "H W 3"]:
    usable = [checked for checked in report.hands if not checked.broken]
    most = MOST_ROWS * COLUMNS
    worst = [checked for checked in report.beyond_limit if not checked.broken][: most // 3]
    others = [checked for checked in usable if checked not in worst]
    left = min(most - len(worst), len(others))
    shown = worst + [others[place * len(others) // left] for place in range(left)]
    rows = max(-(-len(shown) // COLUMNS), 1)
    cell_width, cell_height = 2 * PICTURE_PX + 2 * GAP_PX, PICTURE_PX + CAPTION_PX
    size = (_HEADING_PX + rows * cell_height, COLUMNS * cell_width + GAP_PX, 3)
    sheet: np.ndarray = np.full(size, PAPER, np.uint8)
    legend = "left: labelled joints, right: mesh posed by the labels" if any(each.fitted for each in shown) else ""
    write_on(sheet, f"{report.title}   {legend or 'labelled joints and vertices'}", (GAP_PX, 30), 0.7)
    renderer = MeshRenderer(faces, PICTURE_PX, PICTURE_PX)
    for place, checked in enumerate(shown):
        top = _HEADING_PX + place // COLUMNS * cell_height
        x = GAP_PX + place % COLUMNS * cell_width
        for side, picture in enumerate(_pictures(hands, checked, renderer)):
            start = x + side * PICTURE_PX
            sheet[top : top + PICTURE_PX, start : start + PICTURE_PX] = picture
        residual = "" if checked.fitted is None else f"  {checked.fitted.residual_mm:.2f} mm"
        write_on(sheet, checked.hand.name[-34:] + residual, (x, top + PICTURE_PX + 17), 0.5)
    return sheet


def _pictures(
    hands: HandSet, checked: CheckedHand, renderer: MeshRenderer
) -> tuple[UInt8[np.ndarray, "P P 3"], UInt8[np.ndarray, "P P 3"]]:
    hand = checked.hand
    square = crop_around(hand.outline_px, _EXPANSION)
    camera = crop_intrinsics(hand.intrinsics, square, PICTURE_PX)
    plain = crop_picture(picture_of(hands, checked.number, hand), square, PICTURE_PX)
    with_joints, with_mesh = plain.copy(), plain.copy()
    _draw_joints(with_joints, checked, camera)
    if checked.fitted is not None:
        renderer.draw_over(with_mesh, checked.fitted.vertices_m.astype(np.float32), camera, alpha=0.8)
    elif checked.labelled_vertices_m is not None:
        _draw_dots(with_mesh, project(checked.labelled_vertices_m, camera))
    return with_joints, with_mesh


def _draw_joints(picture: UInt8[np.ndarray, "P P 3"], checked: CheckedHand, camera: Intrinsics) -> None:
    places = np.nan_to_num(project(checked.hand.joints_m, camera)).clip(-1e4, 1e4).round().astype(int).tolist()
    known = checked.hand.joints_known
    for start, end in BONES:
        if known[start] and known[end]:
            cv2.line(picture, places[start], places[end], finger_color((end - 1) // 4), 2, cv2.LINE_AA)
    for joint in np.flatnonzero(known):
        cv2.circle(picture, places[joint], 3, (255, 255, 255), -1, cv2.LINE_AA)


def _draw_dots(picture: UInt8[np.ndarray, "P P 3"], places_px: Float[np.ndarray, "V 2"]) -> None:
    for x, y in np.nan_to_num(places_px).clip(-1e4, 1e4).round().astype(int).tolist():
        cv2.circle(picture, (x, y), 1, (255, 214, 64), -1, cv2.LINE_AA)
