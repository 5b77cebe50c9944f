"""Which path is the output while hands and paths come and go, as a plot.

    python -m benchmarks.fallback --out reports/fallback.png

The demo clip is played frame by frame through both real paths. On the way the hand is covered by a box, leaves the
picture and comes back; then the network alone is blinded (its pictures are covered where the hand is), then MediaPipe
alone (its pictures are empty). Printed beside the plot: the share of frames in which the output is on the true hand,
and the largest step between frames that a change of path makes, beside switching without a fade.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.environment import prepare_process

prepare_process()

import cv2
import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFont
from PyQt6.QtWidgets import QApplication

from app.machine import describe_machine
from app.output_texts import reason_text
from app.palette import DARK
from app.pipeline.output_selector import OutputChooser, OutputSettings
from app.pipeline.paths.hand_path import HandPath
from app.pipeline.paths.path_factories import chosen_paths
from app.sources.demo import DEMO_CLIP, DEMO_TRUTH
from benchmarks.clip_pictures import clip_pictures
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.types import Frame, HandState, PathId, PathResult

FRAMES_PER_SECOND = 30
ON_HAND_SHARE = 0.5
"""The output is on the hand when its joints lie on average closer to the true ones than this share of its box."""

_SIZE_PX = (1400, 860)
_COVER_GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of the sequence.

    Attributes:
        name: for the plot.
        seconds: how long.
        covered: the hand is behind a box, for both paths.
        gone: the hand is outside the picture.
        blind: the path that finds nothing of the hand.
    """

    name: str
    seconds: float
    covered: bool = False
    gone: bool = False
    blind: PathId | None = None


STORY = (
    Chapter("good hand", 3.0),
    Chapter("covered", 1.5, covered=True),
    Chapter("good", 2.0),
    Chapter("out of frame", 1.5, gone=True),
    Chapter("back", 2.5),
    Chapter("network blinded", 2.5, blind="network"),
    Chapter("good", 2.0),
    Chapter("MediaPipe blinded", 2.5, blind="ik"),
    Chapter("good", 1.5),
)


@dataclass(slots=True)
class Record:
    """What happened in every frame."""

    confidence: dict[str, list[float]] = field(default_factory=lambda: {"network": [], "ik": []})
    output: list[str] = field(default_factory=list)
    on_hand: list[float] = field(default_factory=list)
    smooth_step_mm: list[float] = field(default_factory=list)
    abrupt_step_mm: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Story:
    """The pictures of the sequence, as each path gets them."""

    def __init__(self) -> None:
        """Reads the clip and its truth."""
        with np.load(DEMO_TRUTH) as truth:
            self._joints_px = truth["joints_px"]
            fx, fy, cx, cy = (float(number) for number in truth["intrinsics"])
            width, height = (int(number) for number in truth["picture_size_px"])
        self._intrinsics = Intrinsics(fx, fy, cx, cy, width, height)
        self._clip = list(clip_pictures(DEMO_CLIP))
        self.chapters = [chapter for chapter in STORY for _ in range(round(chapter.seconds * FRAMES_PER_SECOND))]
        empty = np.median(np.stack(self._clip[::10]), 0).astype(np.uint8)
        # the hand is always somewhere in the middle, so the wall is taken from beside it
        self._wall = np.repeat(empty[:, :1], width, 1)

    def __len__(self) -> int:
        return len(self.chapters)

    def joints_px(self, index: int) -> np.ndarray:
        """Where the hand truly is; it plays forwards and backwards, so that nothing jumps."""
        return self._joints_px[self._clip_index(index)]

    def frames(self, index: int) -> dict[PathId, Frame]:
        """The picture for each path."""
        chapter, image = self.chapters[index], self._clip[self._clip_index(index)]
        if chapter.gone:
            image = self._wall
        elif chapter.covered:
            image = self._cover(image, index)
        pictures: dict[PathId, np.ndarray] = {"network": image, "ik": image}
        if chapter.blind == "network":
            pictures["network"] = self._cover(image, index)
        elif chapter.blind == "ik":
            pictures["ik"] = self._wall
        time_ns = 1_000_000_000 + round(index * 1e9 / FRAMES_PER_SECOND)
        return {
            path_id: Frame(index, time_ns, picture.copy(), self._intrinsics, "story")
            for path_id, picture in pictures.items()
        }

    def _cover(self, image: np.ndarray, index: int) -> np.ndarray:
        joints = self.joints_px(index)
        middle, half = joints.mean(0), np.ptp(joints, axis=0).max() / 2.0 * _COVER_GROWTH
        (x0, y0), (x1, y1) = ((middle + sign * half).round().astype(int).tolist() for sign in (-1, 1))
        covered = image.copy()
        cv2.rectangle(covered, (x0, y0), (x1, y1), (122, 96, 70), -1)
        cv2.rectangle(covered, (x0, y0), (x1, y1), (92, 70, 50), 6)
        return covered

    def _clip_index(self, index: int) -> int:
        count = len(self._clip)
        place = index % (2 * count)
        return place if place < count else 2 * count - 1 - place


def play(story: Story, paths: Mapping[PathId, HandPath]) -> Record:
    """Runs the sequence through the paths and two choosers, with and without a fade."""
    model = load_embedded_model()
    smooth, abrupt = OutputChooser(model), OutputChooser(model, OutputSettings(fade_ms=0.0))
    record = Record()
    before: dict[str, HandState | None] = {"smooth": None, "abrupt": None}
    for index in range(len(story)):
        frames = story.frames(index)
        results: dict[PathId, PathResult] = {p: path.process(frames[p]) for p, path in paths.items()}
        for path_id, result in results.items():
            record.confidence[path_id].append(result.states[0].confidence if result.states else np.nan)
        now: dict[str, HandState | None] = {}
        for name, chooser in (("smooth", smooth), ("abrupt", abrupt)):
            outputs = chooser.choose(frames["network"], results)
            now[name] = outputs[0].state if outputs else None
            if name == "smooth":
                record.output.append(outputs[0].origin if outputs else "")
                record.reasons.append(reason_text(outputs[0].reason) if outputs else "no hand")
                record.on_hand.append(_on_hand(now[name], story.joints_px(index), frames["network"].intrinsics))
        record.smooth_step_mm.append(_step_mm(before["smooth"], now["smooth"]))
        record.abrupt_step_mm.append(_step_mm(before["abrupt"], now["abrupt"]))
        before = now
    return record


def report(story: Story, record: Record) -> None:
    """Prints what the plot shows, chapter by chapter."""
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {len(story)} frames")
    print("| chapter | output network / IK / none | on the hand |\n|---|---|---|")
    for start, end, chapter in _stretches(story):
        part = record.output[start:end]
        shares = " / ".join(f"{part.count(name) / len(part):.0%}" for name in ("network", "ik", ""))
        print(f"| {chapter.name} | {shares} | {np.mean(record.on_hand[start:end]):.0%} |")
    changes = [
        index
        for index in range(1, len(story))
        if record.output[index - 1] and record.output[index] and record.output[index - 1] != record.output[index]
    ]
    print(f"{len(changes)} changes of path:")
    for index in changes:
        steps = f"{record.smooth_step_mm[index]:.1f} mm, without a fade {record.abrupt_step_mm[index]:.1f} mm"
        print(f"  {index / FRAMES_PER_SECOND:5.2f} s to {record.output[index]}: {record.reasons[index]}; step {steps}")


def draw(story: Story, record: Record, path: Path) -> None:
    """Draws the plot."""
    application = QApplication.instance() or QApplication([])  # kept: Qt ends with it
    assert application is not None
    board = pg.GraphicsLayoutWidget(size=_SIZE_PX)
    board.setBackground(DARK.window)
    seconds = np.arange(len(story)) / FRAMES_PER_SECOND
    colors = {"network": DARK.network, "ik": DARK.ik}
    title = "Output hand: network (blue), MediaPipe + IK (orange)"
    board.addLabel(title, row=0, col=0, color=DARK.text, size="13pt")
    confidence = _plot(board, 1, "Confidence", 0.0, 1.08)
    for value in (OutputSettings().leave_below, OutputSettings().return_above):
        confidence.addLine(y=value, pen=pg.mkPen(DARK.muted, style=Qt.PenStyle.DashLine))
    for name, color in colors.items():
        confidence.plot(seconds, np.array(record.confidence[name]), pen=pg.mkPen(color, width=2), connect="finite")
    output = _plot(board, 2, "Output", -0.5, 1.5)
    output.getAxis("left").setTicks([[(0.0, "IK"), (1.0, "network")]])
    for name, level in (("network", 1.0), ("ik", 0.0)):
        values = np.array([level if who == name else np.nan for who in record.output])
        output.plot(seconds, values, pen=pg.mkPen(colors[name], width=12), connect="finite")
    step = _plot(board, 3, "Largest step of a vertex, mm per frame (grey: without fade)", 0.0, None)
    step.plot(seconds, np.array(record.abrupt_step_mm), pen=pg.mkPen(DARK.muted, width=1), connect="finite")
    step.plot(seconds, np.array(record.smooth_step_mm), pen=pg.mkPen(DARK.accent, width=2), connect="finite")
    for plot in (confidence, output, step):
        plot.setXRange(0.0, seconds[-1], padding=0.0)
        for start, end, chapter in _stretches(story):
            troubled = chapter.covered or chapter.gone or chapter.blind is not None
            if troubled:
                region = pg.LinearRegionItem((seconds[start], seconds[end - 1]), movable=False)
                region.setBrush(QColor(255, 255, 255, 22))
                for line in region.lines:
                    line.setPen(pg.mkPen(None))
                plot.addItem(region)
            if plot is confidence:
                label = pg.TextItem(chapter.name, color=DARK.text if troubled else DARK.muted, anchor=(0.5, 0.0))
                label.setFont(QFont(label.textItem.font().family(), 8))
                label.setPos((seconds[start] + seconds[end - 1]) / 2.0, 1.08)
                plot.addItem(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = board.grab().save(str(path))
    board.close()
    if not saved:
        raise SystemExit(f"{path} cannot be written; give another --out")


def main() -> None:
    """Plays, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports") / "fallback.png")
    parser.add_argument("--network", type=Path, help="folder of a network (default: the shipped one)")
    options = parser.parse_args()
    factories = chosen_paths("both", options.network, load_embedded_model(), 1, warn=print)
    if len(factories) < 2:
        raise SystemExit("fallback: both paths are needed; install a network or name one with --network")
    story = Story()
    paths = {path_id: factory() for path_id, factory in factories.items()}
    try:
        record = play(story, paths)
    finally:
        for path in paths.values():
            path.close()
    report(story, record)
    draw(story, record, options.out)
    print(f"plot: {options.out}")


def _stretches(story: Story) -> list[tuple[int, int, Chapter]]:
    """Start, end and chapter."""
    stretches, start = [], 0
    for chapter in STORY:
        end = start + round(chapter.seconds * FRAMES_PER_SECOND)
        stretches.append((start, end, chapter))
        start = end
    return stretches


def _on_hand(state: HandState | None, joints_px: np.ndarray, intrinsics: Intrinsics) -> float:
    if state is None:
        return 0.0
    apart = np.linalg.norm(project(np.asarray(state.joints_m, np.float64), intrinsics) - joints_px, axis=1).mean()
    return float(apart < ON_HAND_SHARE * np.ptp(joints_px, axis=0).max())


def _step_mm(before: HandState | None, after: HandState | None) -> float:
    if before is None or after is None:
        return float("nan")
    return float(np.linalg.norm(after.vertices_m - before.vertices_m, axis=1).max() * 1000.0)


def _plot(board: pg.GraphicsLayoutWidget, row: int, label: str, lowest: float, highest: float | None) -> pg.PlotItem:
    plot = board.addPlot(row=row, col=0)
    plot.setTitle(label, color=DARK.text, size="10pt")
    plot.showGrid(x=False, y=True, alpha=0.12)
    if highest is not None:
        plot.setYRange(lowest, highest, padding=0.0)
    for side in ("left", "bottom"):
        plot.getAxis(side).setPen(pg.mkPen(DARK.border))
        plot.getAxis(side).setTextPen(pg.mkPen(DARK.muted))
    plot.getAxis("left").setWidth(56)
    return plot


if __name__ == "__main__":
    main()
