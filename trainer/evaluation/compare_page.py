"""The before/after report as one HTML page, with its pictures inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, UInt8

from trainer.evaluation.report_page import overlay

_MEANING: Final = {
    "pa_mpjpe_mm": ("aligned joint error (PA-MPJPE), mm", 1),
    "mpjpe_mm": ("joint error from the wrist, mm", 1),
    "epe_2d": ("2D error over the hand's size", 3),
    "good_share": ("share of frames with good joints", 2),
    "jitter_mm": ("trembling from frame to frame, mm", 2),
    "mean_confidence": ("mean confidence", 2),
    "calibration_gap": ("error of the confidence", 2),
}
_HIGHER_IS_BETTER: Final = ("good_share",)
_NEITHER: Final = ("mean_confidence",)
_GAP_PX: Final = 8
_SHOWN_SESSIONS: Final = 5

_STYLE: Final = """
body { font: 15px/1.55 system-ui, sans-serif; margin: 2.5rem auto; max-width: 1080px; padding: 0 1rem; color: #1d2330 }
h1 { font-size: 1.35rem; line-height: 1.45; border-left: 5px solid #8b93a5; padding-left: .9rem }
h1.better { border-color: #2f9e6e } h1.worse { border-color: #cf4b45 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dce4 } h3 { margin-bottom: .4rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem 1.4rem .25rem 0; text-align: left }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.good { color: #217a54 } .bad { color: #b53a35 }
.note { color: #5a6274 } .row { display: flex; flex-wrap: wrap; gap: 14px }
figure { margin: 0; width: 344px } figure img { width: 344px; border-radius: 6px; display: block }
figcaption { font-size: 12.5px; color: #5a6274 }
"""


def picture_pair(
    image_rgb: UInt8[np.ndarray, "S S 3"],
    before: Float[np.ndarray, "21 2"],
    after: Float[np.ndarray, "21 2"],
    labelled: Float[np.ndarray, "21 2"],
) -> UInt8[np.ndarray, "height width 3"]:
    """A crop twice, side by side: labels in white, the joints of one network in colours on each.

    Args:
        image_rgb: the crop.
        before: crop coordinates, -1 to 1.
        after: crop coordinates, -1 to 1.
        labelled: crop coordinates, -1 to 1.
    """
    left, right = (overlay(image_rgb, joints, labelled) for joints in (before, after))
    gap = np.full((left.shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], 1)


def comparison_page(content: dict[str, Any], folder: Path) -> str:
    """The whole page.

    Args:
        content: of report.json.
        folder: where the pictures lie that it names.
    """
    verdict = content["verdict"] if content["verdict"] in ("better", "worse") else "unclear"
    sections = "".join(
        _section(title, content[key], folder)
        for key, title in (("own", _own_title(content["sessions"])), ("general", "Other hands, unseen renderings"))
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Did it help?</title>"
        f"<style>{_STYLE}</style><h1 class='{verdict}'>{html.escape(content['sentence'])}</h1>"
        f"<p class='note'>Before: {html.escape(content['before'])}. After: {html.escape(content['after'])}. The "
        "interval comes from a paired bootstrap over stretches of time, or over sessions where there are many.</p>"
        f"{sections}</html>"
    )


def _own_title(sessions: Sequence[str]) -> str:
    """Which recorded sessions were measured; whether a network learned from them is not known here."""
    shown = ", ".join(sessions[:_SHOWN_SESSIONS])
    more = f" and {len(sessions) - _SHOWN_SESSIONS} more" if len(sessions) > _SHOWN_SESSIONS else ""
    return html.escape(f"Your hand, recorded session{'s' if len(sessions) > 1 else ''} {shown}{more}")


def _section(title: str, part: dict[str, Any], folder: Path) -> str:
    change = part["changes"]["pa_mpjpe_mm"]
    rows = "".join(_row(name, part["before"][name], part["after"][name]) for name in _MEANING)
    fingers = "".join(
        f"<tr><td>{html.escape(name)}</td>{_numbers(before, after, 1)}</tr>"
        for name, (before, after) in part["fingers_pa_mm"].items()
    )
    pictures = "".join(_figure(picture, folder) for picture in part["pictures"])
    return (
        f"<h2>{title}</h2><p class='note'>{part['count']} pictures, {change['units']} independent pieces: "
        f"{change['verdict']}.</p>"
        "<table><tr><th><th class='number'>before<th class='number'>after<th class='number'>change</tr>"
        f"{rows}</table><h3>Aligned error by finger, mm</h3>"
        "<table><tr><th>finger<th class='number'>before<th class='number'>after<th class='number'>change</tr>"
        f"{fingers}</table><h3>Pictures that changed most</h3>"
        "<p class='note'>Left before, right after. White: label. Coloured: the network.</p>"
        f"<div class='row'>{pictures}</div>"
    )


def _row(name: str, before: float | None, after: float | None) -> str:
    meaning, digits = _MEANING[name]
    if before is None or after is None:
        return f"<tr><td>{meaning}</td><td class='number'>-</td><td class='number'>-</td><td></td></tr>"
    sign = 0 if name in _NEITHER else -1 if name in _HIGHER_IS_BETTER else 1
    return f"<tr><td>{meaning}</td>{_numbers(before, after, digits, sign)}</tr>"


def _numbers(before: float, after: float, digits: int, sign: int = 1) -> str:
    share = after / before - 1.0 if before else 0.0
    look = "" if abs(share) < 0.01 or sign == 0 else "good" if share * sign < 0.0 else "bad"
    return (
        f"<td class='number'>{before:.{digits}f}</td><td class='number'>{after:.{digits}f}</td>"
        f"<td class='number {look}'>{100.0 * share:+.0f} %</td>"
    )


def _figure(picture: dict[str, Any], folder: Path) -> str:
    data = base64.b64encode((folder / picture["file"]).read_bytes()).decode()
    return (
        f"<figure><img alt='before and after' src='data:image/png;base64,{data}'>"
        f"<figcaption>{picture['change_mm']:+.1f} mm</figcaption></figure>"
    )
