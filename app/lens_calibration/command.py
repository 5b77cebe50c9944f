"""Calibrating a camera without a window: live with hints in the terminal, or from pictures of the board."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.lens_calibration.session import CalibrationSession
from app.sources.base import EndOfSource, FrameSource, Picture
from app.sources.calibration_store import LensSolution, save_calibration
from hand.errors import SourceError

LONGEST_S: Final = 300.0
"""A live camera is watched so long for enough views."""

_FAILURES_BEFORE_GIVING_UP = 30


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came out.

    Attributes:
        camera: its name.
        solution: the camera.
        file: where it is kept.
    """

    camera: str
    solution: LensSolution
    file: Path


def calibrate_camera(
    source: FrameSource, report: Callable[[str], None], *, camera: str | None = None, folder: Path | None = None
) -> Calibrated:
    """Watches a source until enough of the board was seen, or to its end, and keeps the result.

    Args:
        source: a camera, or a video or folder of pictures taken with it.
        report: called with the next hint whenever it changes.
        camera: name to keep it under; the source's own when left out.
        folder: where calibrations are kept; the user's data folder when left out.

    Raises:
        SourceError: the source gives no picture.
        ConfigError: too little of the board was seen, or the result cannot be kept.
    """
    session = CalibrationSession()
    try:
        facts = source.open()
        _watch(source, session, report, time.monotonic() + LONGEST_S if facts.live else None)
    finally:
        source.close()
    solution = session.solve()
    name = camera or facts.name
    return Calibrated(name, solution, save_calibration(name, solution, folder))


def describe_solution(solution: LensSolution) -> str:
    """The result in one sentence, with an assessment of it."""
    camera = solution.intrinsics
    sentence = (
        f"fx {camera.fx_px:.1f}, fy {camera.fy_px:.1f}, cx {camera.cx_px:.1f}, cy {camera.cy_px:.1f} px at "
        f"{camera.width_px} x {camera.height_px}, {solution.rms_px:.2f} px off over {solution.views} views"
    )
    bends = solution.rms_px > 2.0 * solution.straight_rms_px and solution.rms_px > 0.5
    bent = f"; the lens bends straight lines ({solution.straight_rms_px:.2f} px if that is modelled)"
    return sentence + (bent if bends else "")


def _watch(
    source: FrameSource, session: CalibrationSession, report: Callable[[str], None], until_s: float | None
) -> None:
    failures, last_sentence, seen = 0, "", 0
    while not session.ready and (until_s is None or time.monotonic() < until_s):
        read = source.read()
        if isinstance(read, EndOfSource):
            break
        if not isinstance(read, Picture):
            failures += 1
            if failures > _FAILURES_BEFORE_GIVING_UP:
                raise SourceError(read.sentence)
            continue
        failures, seen = 0, seen + 1
        progress = session.add(read.image_rgb)
        sentence = f"{progress.share:4.0%}  {progress.sentence}"
        if progress.kept or progress.sentence != last_sentence:
            last_sentence = progress.sentence
            report(sentence)
    if not seen:
        raise SourceError(f"{source.name} gave no picture; check the source.")
