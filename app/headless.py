"""The live pipeline without a window: runs a source, writes a report and a few composed pictures."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from app.machine import describe_machine, product_version
from app.pipeline.capture_thread import SourcePhase, SourceState
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.live import LivePipeline
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.metrics.comparison_report import summarize
from app.pipeline.metrics.path_statistics import PathStatistics
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import output_chooser
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.smoothing import Smoothing
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.worker import PATH_NAMES, PathPhase, PathUpdate
from app.rendering.composed import Composer
from app.rendering.hand_mesh import HandMeshBuilder
from app.sources.base import FrameSource, SourceFacts
from hand.atomic_file import write_json_atomically
from hand.errors import HandliveError, SourceError
from hand.finite import rounded_or_none
from hand.model import HandModel
from hand.picture_file import write_picture
from hand.types import PathId, PathResult

logger = logging.getLogger(__name__)

REPORT_SCHEMA = 1
PICTURES = 6
"""Composed pictures per run, spread evenly."""

LIVE_FRAMES = 300
"""Frames taken from a camera, which has no end, when the user names no number."""

_STOPPED_SENTENCE = "The run was stopped early; its report is about the frames until then."

RECONNECTION_S = 60.0
"""A network camera that was lost is waited for so long; networks are slow to find a device again."""

_POLL_S = 0.1
_CLOSE_S = 5.0
"""For paths that are loading or at work; what the run found is kept whatever they do."""

_LISTENER_CLOSE_S = 10.0
_FAILURES_BEFORE_GIVING_UP = 3
_PICTURE_QUALITY = 90

_OF_THE_COMPARISON = (
    "paths",
    "output",
    "from_output_mm",
    "compared_frames",
    "disagreement_mm",
    "placement_mm",
    "joints_mm",
)
"""What the report takes from the summary of a comparison."""


@dataclass(frozen=True, slots=True)
class HeadlessRun:
    """What to run.

    Attributes:
        source: where pictures come from.
        paths: the factories of the paths.
        model: the hand model the paths use.
        report_dir: where report and pictures go.
        frames: stop after so many, None for all of a file.
        realtime: files run at their own rate and frames are dropped as in the window; for cameras always, because one
            that waits for the slowest path gives pictures of the past.
        mirror: mirror the pictures.
        quarter_turns: turn them clockwise by so many right angles first.
        lens: the user's settings for intrinsics.
        notes: sentences for the report.
        listeners: get every joined result with its output hand, by a name for logs.
        warn: called once if the report cannot be written; the run goes on for its listeners.
        output_mode: which hand the output follows, where there are two paths.
        smoothing: the filter behind the paths, which the fused hand gets as well.
    """

    source: FrameSource
    paths: dict[PathId, PathFactory]
    model: HandModel
    report_dir: Path
    frames: int | None = None
    realtime: bool = False
    mirror: bool = False
    quarter_turns: int = 0
    lens: IntrinsicsChoice = field(default_factory=IntrinsicsChoice)
    notes: tuple[str, ...] = ()
    listeners: Mapping[str, Callable[[JoinedResult], None]] = field(default_factory=dict)
    warn: Callable[[str], None] = logger.warning
    output_mode: OutputMode = OutputMode.FUSED
    smoothing: Smoothing | None = None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Attributes:
        kind: "complete", "incomplete" when the file holds fewer frames than it declares or the camera was lost,
            "stopped" by the user with Ctrl+C, or "broken" when a path failed for good.
        sentence: why it was not complete, else empty.
    """

    kind: Literal["complete", "incomplete", "stopped", "broken"] = "complete"
    sentence: str = ""


class _BrokenPathError(HandliveError):
    """A path failed repeatedly."""


def run_headless(run: HeadlessRun) -> dict[str, Any]:
    """Runs the pipeline to the end of the source or to the requested number of frames.

    A run that the user stops with Ctrl+C, or that a broken path ends, is reported as far as it went.

    Returns:
        The report, as it was written to ``report.json``; ``end`` in it is the kind of a :class:`RunEnd`.

    Raises:
        SourceError: the source gave no picture at all.
        HandliveError: a path cannot work, and there was no result before.
        KeyboardInterrupt: the user stopped it before there was a result.
    """
    updated = threading.Event()
    pipeline: LivePipeline[None, None] = LivePipeline(
        run.paths,
        lambda _result: None,
        updated.set,
        lens=run.lens,
        every_frame=not run.realtime,
        output=output_chooser(run.model, run.paths, run.output_mode, run.smoothing),
    )
    folder = _ReportFolder(run)
    output = _OutputRecorder(run, folder, lambda: pipeline.source_state.facts)
    output_listener = pipeline.add_listener("report", output.take)
    for name, listener in run.listeners.items():
        pipeline.add_listener(name, listener)
    pipeline.mirror = run.mirror
    pipeline.quarter_turns = run.quarter_turns
    recorder = _Recorder(run, folder)
    pipeline.start()
    started_s = time.monotonic()
    try:
        _wait_for_paths(pipeline, updated)
        pipeline.show(run.source)
        end = recorder.follow(pipeline, updated)
        seconds = time.monotonic() - started_s
        output_listener.close(_LISTENER_CLOSE_S)
        report = recorder.report(pipeline, end, seconds, output)
    finally:
        pipeline.close(_CLOSE_S)
    folder.save_report(report)
    return report


def _wait_for_paths(pipeline: LivePipeline[None, None], updated: threading.Event) -> None:
    """Waits for the engines: frames that go by while they load should not count as drops."""
    while pipeline.loading:
        updated.wait(_POLL_S)
        updated.clear()
        pipeline.begin_pull()


class _ReportFolder:
    """Writes the report's files; a disk that is full or read-only is reported once, and the run goes on."""

    def __init__(self, run: HeadlessRun) -> None:
        self._folder, self._warn = run.report_dir, run.warn
        self.problem = ""
        self._lock = threading.Lock()
        self._write(lambda: self._folder.mkdir(parents=True, exist_ok=True))

    def save_picture(self, picture_rgb: UInt8[np.ndarray, "height width 3"], name: str) -> list[str]:
        """Writes a picture; its name, or nothing where it cannot be written."""
        picture_bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _PICTURE_QUALITY]
        written = self._write(lambda: write_picture(self._folder / name, picture_bgr, quality))
        return [name] if written else []

    def save_report(self, report: Mapping[str, Any]) -> None:
        """Writes the report itself, where that is possible."""
        self._write(lambda: write_json_atomically(self._folder / "report.json", report))

    def _write(self, act: Callable[[], None]) -> bool:
        with self._lock:  # the output's pictures come from another thread than the paths'
            if self.problem:
                return False
            try:
                act()
            except OSError as error:
                self.problem = (
                    f"The report cannot be written to {self._folder} ({error.strerror or error}); the run goes on "
                    "without it. Choose another folder with --report."
                )
                self._warn(self.problem)
        return not self.problem


class _OutputRecorder:
    """Takes joined results, in their listener's thread, and summarises the output."""

    def __init__(self, run: HeadlessRun, folder: _ReportFolder, facts: Callable[[], SourceFacts | None]) -> None:
        self._run = run
        self._folder = folder
        self._facts = facts
        self._comparison = Comparison()
        self._composer = Composer(HandMeshBuilder(run.model))
        self._next_picture = -1
        self.pictures: list[str] = []

    def take(self, joined: JoinedResult) -> None:
        """Counts a frame, and composes a picture of the output now and then."""
        self._comparison.record(joined)
        facts = self._facts()
        if facts is None or joined.late or len(self.pictures) >= PICTURES or len(self._run.paths) < 2:
            return
        step = _picture_step(self._run, facts)
        if self._next_picture < 0:
            self._next_picture = step // 2
        if joined.frame.sequence >= self._next_picture and joined.outputs:
            self._next_picture = joined.frame.sequence + step
            states = tuple(output.state for output in joined.outputs)
            picture = self._composer.compose(PathResult(joined.frame, "network", states), "Output")
            self.pictures += self._folder.save_picture(picture, f"output_{joined.frame.sequence:06d}.jpg")

    def report(self) -> dict[str, Any]:
        """The output and how both paths compare, as plain values."""
        summary = summarize(self._comparison, "")
        return {"mode": self._run.output_mode.value, **{name: summary[name] for name in _OF_THE_COMPARISON}}


class _Recorder:
    """Collects results until the run is over."""

    def __init__(self, run: HeadlessRun, folder: _ReportFolder) -> None:
        self._run = run
        self._folder = folder
        self._statistics = {path_id: PathStatistics(window=None) for path_id in run.paths}
        self._next_picture = dict.fromkeys(run.paths, -1)
        self._composer = Composer(HandMeshBuilder(run.model))
        self._pictures: list[str] = []
        self._messages = dict.fromkeys(run.paths, "")
        self._lost_since_s: float | None = None

    @property
    def frames(self) -> int:
        """Number of frames with a result of the path that has most."""
        return max((statistics.frames for statistics in self._statistics.values()), default=0)

    def follow(self, pipeline: LivePipeline[None, None], updated: threading.Event) -> RunEnd:
        """Returns when every path has enough frames or all there are, or when the run ends before that."""
        try:
            while not self._finished(pipeline, self._take(pipeline, updated)):
                pass
        except (KeyboardInterrupt, _BrokenPathError) as reason:
            if self.frames == 0:
                raise
            stopped = isinstance(reason, KeyboardInterrupt)
            return RunEnd("stopped", _STOPPED_SENTENCE) if stopped else RunEnd("broken", str(reason))
        state = pipeline.source_state
        lost = state.phase is SourcePhase.LOST and not self._has_enough(state.facts)
        return RunEnd("incomplete", state.sentence) if lost or state.shortfall is not None else RunEnd()

    def _take(self, pipeline: LivePipeline[None, None], updated: threading.Event) -> SourceState:
        """Waits for an update and takes what there is; the returned state is the source's before that."""
        updated.wait(_POLL_S)
        updated.clear()
        pipeline.begin_pull()
        # the state first: frames that come behind it are only waited for in the next round
        state = pipeline.source_state
        for path_id in pipeline.path_ids:
            update = pipeline.take_update(path_id)
            if update is not None and state.facts is not None:
                self._record(path_id, update, state.facts)
            path = pipeline.path_state(path_id)
            if path.phase is PathPhase.FAILED and path.failures_in_a_row >= _FAILURES_BEFORE_GIVING_UP:
                raise _BrokenPathError(
                    f"{PATH_NAMES[path_id]} broke {path.failures_in_a_row} times without a result in between, so the "
                    f"run ends: {path.cause.rstrip('.')}."
                )
        return state

    def report(
        self, pipeline: LivePipeline[None, None], end: RunEnd, seconds: float, output: _OutputRecorder
    ) -> dict[str, Any]:
        """Everything measured, as plain values."""
        state = pipeline.source_state
        facts = state.facts
        if facts is None:
            raise SourceError(state.sentence or f"{state.name} gave no picture.")
        run = self._run
        return {
            "schema": REPORT_SCHEMA,
            "version": product_version(),
            "source": {
                "name": facts.name,
                "kind": facts.kind,
                "width_px": facts.width_px,
                "height_px": facts.height_px,
                "frames_per_second": facts.frames_per_second,
                "note": facts.note,
                "frames_promised": state.shortfall.promised if state.shortfall else facts.frame_count,
                "frames_read": state.shortfall.read if state.shortfall else state.frames,
            },
            "mode": "real time" if run.realtime else "every frame",
            "latency_counts_from": "capture" if run.realtime else "the path taking the frame",
            "mirrored": run.mirror,
            "camera": run.lens.describe(facts.intrinsics),
            "hand_model": {"name": run.model.name, "digest": run.model.digest},
            "end": end.kind,
            "frames": self.frames,
            "read_failures": state.read_failures,
            "seconds": round(seconds, 3),
            "paths": {path_id: self._path_report(pipeline, path_id) for path_id in self._statistics},
            "output": output.report(),
            "pictures": [*self._pictures, *output.pictures],
            "notes": [
                *run.notes,
                *([facts.note] if facts.note else []),
                *([end.sentence] if end.sentence else []),
                *filter(None, self._messages.values()),
                *([self._folder.problem] if self._folder.problem else []),
            ],
            "machine": describe_machine(),
        }

    def _finished(self, pipeline: LivePipeline[None, None], state: SourceState) -> bool:
        if state.phase is SourcePhase.FAILED or (state.phase is SourcePhase.LOST and self.frames == 0):
            raise SourceError(state.sentence)
        if state.facts is None:
            return False
        if self._has_enough(state.facts):
            return True
        if self._may_come_back(state) or state.phase not in (SourcePhase.ENDED, SourcePhase.LOST):
            return False
        if state.frames == 0:
            raise SourceError(f"{state.name} has no picture that can be read; check its files.")
        return all(
            statistics.frames + pipeline.drops(path_id) + pipeline.path_state(path_id).lost_frames >= state.frames
            for path_id, statistics in self._statistics.items()
        )

    def _has_enough(self, facts: SourceFacts | None) -> bool:
        wanted = None if facts is None else _wanted_frames(self._run, facts)
        return wanted is not None and all(statistics.frames >= wanted for statistics in self._statistics.values())

    def _may_come_back(self, state: SourceState) -> bool:
        """Whether a network camera that was lost may still return."""
        if state.phase is not SourcePhase.LOST or state.facts is None or state.facts.kind != "address":
            self._lost_since_s = None
            return False
        now_s = time.monotonic()
        if self._lost_since_s is None:
            self._lost_since_s = now_s
            logger.warning("%s The run waits %g seconds for it to come back.", state.sentence, RECONNECTION_S)
        return now_s - self._lost_since_s < RECONNECTION_S

    def _record(self, path_id: PathId, update: PathUpdate[None], facts: SourceFacts) -> None:
        result = update.result
        self._messages[path_id] = result.message
        statistics, wanted = self._statistics[path_id], _wanted_frames(self._run, facts)
        if wanted is not None and statistics.frames >= wanted:
            return
        # where nothing is dropped, frames wait for the path, so their latency means nothing for live use
        statistics.record(result, update.ready_ns, None if self._run.realtime else update.taken_ns)
        step = _picture_step(self._run, facts)
        if self._next_picture[path_id] < 0:
            self._next_picture[path_id] = step // 2
        if result.frame.sequence >= self._next_picture[path_id] and len(self._pictures) < PICTURES * len(
            self._run.paths
        ):
            self._next_picture[path_id] += step
            self._save_picture(path_id, result)

    def _save_picture(self, path_id: PathId, result: PathResult) -> None:
        picture = self._composer.compose(result, PATH_NAMES[path_id])
        self._pictures += self._folder.save_picture(picture, f"{path_id}_{result.frame.sequence:06d}.jpg")

    def _path_report(self, pipeline: LivePipeline[None, None], path_id: PathId) -> dict[str, Any]:
        statistics = self._statistics[path_id]
        summary, state = statistics.summary(), pipeline.path_state(path_id)
        stages = {stage: _number(value) for stage, value in statistics.stage_medians_ms().items()}
        return {
            "frames": summary.frames,
            "detections": summary.detections,
            "hands": summary.hands,
            "frames_per_second": _number(summary.frames_per_second),
            "latency_ms": {"p50": _number(summary.latency_p50_ms), "p95": _number(summary.latency_p95_ms)},
            "reprojection_px": {"p50": _number(summary.reprojection_px), "p95": _number(summary.reprojection_p95_px)},
            "stages_ms": stages,
            "drops": pipeline.drops(path_id),
            "failures": state.failures,
            "lost_frames": state.lost_frames,
        }


def _wanted_frames(run: HeadlessRun, facts: SourceFacts) -> int | None:
    """After how many frames the run ends; None for all of a file."""
    return run.frames or (LIVE_FRAMES if facts.live else None)


def _picture_step(run: HeadlessRun, facts: SourceFacts) -> int:
    """Frames from one picture to the next, so that :data:`PICTURES` are spread evenly over the run."""
    expected = min(_wanted_frames(run, facts) or math.inf, facts.frame_count or math.inf)
    return max(1, int(expected if math.isfinite(expected) else LIVE_FRAMES) // PICTURES)


def _number(value: float) -> float | None:
    return rounded_or_none(value, 3)
