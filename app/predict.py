"""Pictures in, a JSON file of hands out: every picture on its own, by one path or by several."""

from __future__ import annotations

import json
import logging
import os
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from app.end_signals import print_line
from app.output_texts import reason_text
from app.pipeline.finite_hands import without_broken_hands
from app.pipeline.fused_track import FusionSettings, fusion_settings
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import OutputChooser, OutputHand, OutputSettings, only_path
from app.pipeline.paths.hand_path import HandPath, PathFactory
from app.pipeline.paths.path_factories import NO_CHECKPOINT_SENTENCE
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.files import printable, printable_name
from app.sources.picture_files import is_picture, read_picture
from app.sources.picture_listing import PictureListing, list_pictures
from app.sources.video import VIDEO_SUFFIXES
from hand.atomic_file import write_json_atomically
from hand.camera import project
from hand.errors import CheckpointError, SourceError
from hand.model import HandModel
from hand.types import Frame, HandOrigin, HandState, PathId, PathResult

logger = logging.getLogger(__name__)

PREDICTION_SCHEMA = 1

PICTURES_PER_SECOND = 30.0
"""What pictures that follow each other count as, when they are saved as a motion."""


@dataclass(frozen=True, slots=True)
class PredictionRun:
    """What to predict.

    Attributes:
        input: a picture or a folder of pictures.
        output: the JSON file.
        paths: factories of the paths, each in still mode.
        model: the hand model the paths use.
        lens: the user's settings for intrinsics.
        warn: called with a sentence for every picture that cannot be read, and with the paths' messages.
        listener: gets every picture's results with the output hand, as frames of one source.
        output_mode: which hand the output follows, where there are two paths.
        fused_only: only the output hands are written, not those of each path.
        subfolders: a folder's subfolders are read too.
    """

    input: Path
    output: Path
    paths: Mapping[PathId, PathFactory]
    model: HandModel
    lens: IntrinsicsChoice = field(default_factory=IntrinsicsChoice)
    warn: Callable[[str], None] = lambda sentence: print_line(sentence, error=True)
    listener: Callable[[JoinedResult], None] | None = None
    output_mode: OutputMode = OutputMode.FUSED
    fused_only: bool = False
    subfolders: bool = False


def predict(run: PredictionRun) -> dict[str, Any]:
    """Predicts every picture and writes the file.

    ``side`` and all coordinates describe what the picture shows. ``joints_px`` are the projected 3D joints.
    ``milliseconds`` is the time of its method for the whole picture. Where both paths run, the output hands come last,
    as the method ``fused``; ``from`` names the path of such a hand or ``fused``, and ``reason`` the reason. A
    picture that cannot be read, or that a path breaks on, is listed without hands, with an ``error``, and does not stop
    the rest.

    What is done of a run that ends early is written with ``complete`` set to false. Each picture's line is appended at
    once to a file beside the output (``.jsonl``), which stays where the process is killed.

    Returns:
        The content of the file.

    Raises:
        SourceError: there is no picture, or none could be read.
        CheckpointError: no path was given.
        OSError: the file cannot be written.
    """
    if not run.paths:
        raise CheckpointError(NO_CHECKPOINT_SENTENCE)
    listing = _input_files(run.input, subfolders=run.subfolders)
    if listing.skipped:
        run.warn(listing.skipped)
    messages: dict[str, None] = {}
    images: list[dict[str, Any]] = []
    lines_file = run.output.with_name(run.output.name + ".jsonl")
    with ExitStack() as stack:
        run.output.parent.mkdir(parents=True, exist_ok=True)
        lines = stack.enter_context(lines_file.open("w", encoding="utf-8"))
        stack.callback(lines_file.unlink, missing_ok=True)
        stack.callback(lines.close)  # before it is deleted, as Windows requires
        try:
            paths = {path_id: stack.enter_context(closing(factory())) for path_id, factory in run.paths.items()}
            chooser = _PictureOutput(run)
            for sequence, file in enumerate(listing.files):
                images.append(_predict_file(run, file, sequence, paths, messages, chooser))
                lines.write(json.dumps(images[-1]) + "\n")
                lines.flush()
        except BaseException:
            if any("error" not in image for image in images):
                write_json_atomically(run.output, {**_content(run, images), "complete": False})
            raise
        for message in messages:
            run.warn(message)
        unreadable = [image["error"] for image in images if "error" in image]
        if len(unreadable) == len(images):
            raise SourceError(f"No picture could be read at {printable(run.input)}; nothing was written.")
        content = _content(run, images)
        write_json_atomically(run.output, content)
    return content


def _content(run: PredictionRun, images: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": PREDICTION_SCHEMA, "hand_model": run.model.name, "images": images}


def _input_files(given: Path, *, subfolders: bool) -> PictureListing:
    if given.is_dir():
        listing = list_pictures(given, subfolders=subfolders)
        if not listing.files:
            kinds = "expected jpg, png, webp, tif, heic or other pictures."
            raise SourceError(
                f"There is no picture in the folder {printable(given)}; {kinds} {listing.skipped}".rstrip()
            )
        return listing
    if not given.exists():
        raise SourceError(f"There is no file or folder at {printable(given)}; give a picture or a folder of pictures.")
    if given.suffix.lower() in VIDEO_SUFFIXES and not is_picture(given):
        raise SourceError(
            f"{printable_name(given)} is a video, in which a hand is followed from frame to frame; instead of predict "
            f"run `python main_v2.py --headless --source {shlex.quote(printable(given))} --save-motion hands.npz`."
        )
    return PictureListing((given,))


def _predict_file(
    run: PredictionRun,
    file: Path,
    sequence: int,
    paths: Mapping[PathId, HandPath],
    messages: dict[str, None],
    output: _PictureOutput,
) -> dict[str, Any]:
    name = printable(file.relative_to(run.input)) if run.input.is_dir() else printable_name(file)
    name = name.replace(os.sep, "/")
    try:
        image = read_picture(file)
    except SourceError as error:
        run.warn(str(error))
        return {"file": name, "width": 0, "height": 0, "hands": [], "error": str(error)}
    height, width = image.shape[:2]
    time_ns = round(sequence * 1e9 / PICTURES_PER_SECOND)
    frame = Frame(sequence, time_ns, image, run.lens.intrinsics_for(width, height), name)
    hands: list[dict[str, Any]] = []
    results: dict[PathId, PathResult] = {}
    spent_ms = 0.0
    for path in paths.values():
        started_s = time.perf_counter()
        try:
            result = without_broken_hands(path.process(frame))
        except Exception as error:
            logger.debug("picture %s", name, exc_info=True)
            sentence = f"{name} could not be worked on ({type(error).__name__}: {error}); the other pictures go on."
            run.warn(sentence)
            return {"file": name, "width": width, "height": height, "hands": [], "error": sentence}
        milliseconds = (time.perf_counter() - started_s) * 1e3
        if result.message:
            messages[result.message] = None
        results[result.path_id] = result
        spent_ms += milliseconds
        if not run.fused_only:
            hands += [_hand_content(state, frame, milliseconds, result.path_id) for state in result.states]
    outputs = output.of(frame, results)
    if len(paths) > 1 or run.fused_only:
        for one in outputs:
            content = _hand_content(one.state, frame, spent_ms + sum(one.state.timings_ms.values()), "fused")
            hands.append({**content, "from": one.origin, "reason": reason_text(one.reason)})
    if run.listener is not None:
        run.listener(JoinedResult(replace(frame, source_id=printable(run.input)), results, outputs))
    camera = frame.intrinsics
    lens = [round(number, 4) for number in (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)]
    return {"file": name, "width": width, "height": height, "intrinsics": lens, "hands": hands}


class _PictureOutput:
    """Makes the output of unrelated pictures."""

    def __init__(self, run: PredictionRun) -> None:
        self._model = run.model
        self._settings = OutputSettings(mode=run.output_mode)
        self._only = only_path(run.paths)
        self._fusion: FusionSettings | None = fusion_settings(run.model) if self._only is None else None

    def of(self, frame: Frame, results: Mapping[PathId, PathResult]) -> tuple[OutputHand, ...]:
        # a chooser for each picture, because nothing may fade from one picture into the next
        return OutputChooser(self._model, self._settings, self._fusion, only=self._only).choose(frame, results)


def _hand_content(state: HandState, frame: Frame, milliseconds: float, method: HandOrigin) -> dict[str, Any]:
    joints_m = np.asarray(state.joints_m, float)
    return {
        "method": method,
        "side": state.side,
        "confidence": round(float(state.confidence), 4),
        "joints_px": _pixels(project(joints_m, frame.intrinsics)),
        "joints_m": joints_m.round(6).tolist(),
        "pose_rad": np.asarray(state.pose_rad, float).round(6).tolist(),
        "shape": np.asarray(state.shape, float).round(5).tolist(),
        "camera_translation_m": np.asarray(state.camera_translation_m, float).round(6).tolist(),
        "milliseconds": round(milliseconds, 3),
    }


def _pixels(joints_px: Float[np.ndarray, "21 2"]) -> list[list[float] | None]:
    """Each joint's pixel; None for one at or behind the camera, which has no image."""
    return [pixel.tolist() if np.isfinite(pixel).all() else None for pixel in joints_px.round(3)]
