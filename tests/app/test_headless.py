"""The run without a window: the report describes the run, and wrong input is refused in one sentence."""

from __future__ import annotations

import _thread
import itertools
import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from app_fakes import (
    FakePath,
    FakeSource,
    found,
    hand_state,
    nothing,
    plain_image,
    press_ctrl_c_at,
    write_clip,
    write_picture,
)

from app.end_signals import ENDING_SIGNALS, interrupted_by_end_signals
from app.headless import LIVE_FRAMES, PICTURES, HeadlessRun, run_headless
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.hand_path import PathFactory
from app.sources.base import FrameSource
from app.sources.demo import demo_source
from app.sources.pictures import FolderSource
from app.sources.video import VideoSource
from hand.embedded import load_embedded_model
from hand.errors import DetectorError, HandliveError, SourceError
from hand.types import Frame, PathId, PathResult


def run(source: FrameSource, report_dir: Path, factory: PathFactory = FakePath, **options: object) -> dict:
    return run_headless(
        HeadlessRun(source, {"ik": factory}, load_embedded_model(), report_dir, **options)  # type: ignore[arg-type]
    )


def found_in_even_frames(frame: Frame) -> PathResult:
    return found(frame) if frame.sequence % 2 == 0 else nothing(frame)


def test_report_on_a_clip_counts_every_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    run(VideoSource(clip), tmp_path / "report", lambda: FakePath(found_in_even_frames))
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["schema"] == 1
    assert report["source"]["name"] == "clip.mp4"
    assert (report["source"]["width_px"], report["source"]["height_px"]) == (320, 240)
    assert report["mode"] == "every frame"
    assert report["frames"] == 12
    path = report["paths"]["ik"]
    assert (path["frames"], path["detections"], path["hands"], path["drops"], path["failures"]) == (12, 6, 6, 0, 0)
    assert path["reprojection_px"] == {"p50": 1.25, "p95": 1.25}
    assert path["frames_per_second"] > 0
    assert 0 < path["latency_ms"]["p50"] <= path["latency_ms"]["p95"]
    assert path["stages_ms"] == {"detect": 1.0, "solve": 0.5}
    assert report["machine"]["cores"] >= 1
    assert len(report["pictures"]) == PICTURES
    for name in report["pictures"]:
        picture = cv2.imread(str(tmp_path / "report" / name))
        assert picture is not None
        assert picture.shape[1] > picture.shape[0]  # two views beside each other


def test_pictures_of_a_file_are_spread_evenly_over_it(tmp_path: Path) -> None:
    source = FakeSource([plain_image()] * 10 * PICTURES)
    paths: dict[PathId, PathFactory] = {"network": FakePath, "ik": FakePath}
    settings = HeadlessRun(source, paths, load_embedded_model(), tmp_path, output_mode=OutputMode.IK)
    pictures = run_headless(settings)["pictures"]
    for name in ("network", "ik", "output"):
        frames = [int(file.removesuffix(".jpg").split("_")[1]) for file in pictures if file.startswith(name)]
        assert frames == [pytest.approx(5 + 10 * number, abs=4) for number in range(PICTURES)]


def test_asked_number_of_frames_ends_the_run(tmp_path: Path) -> None:
    report = run(FakeSource(forever=True), tmp_path, frames=7)
    assert report["paths"]["ik"]["frames"] == 7


def test_camera_run_without_a_frame_limit_ends_after_the_default_number(tmp_path: Path) -> None:
    report = run(FakeSource(live=True, forever=True), tmp_path, lambda: FakePath(nothing), realtime=True)
    assert report["mode"] == "real time"
    assert report["paths"]["ik"]["frames"] == LIVE_FRAMES


def test_output_does_not_depend_on_how_slow_a_path_is(tmp_path: Path) -> None:
    """The network is fast with a low confidence, so the slow path gives the output of every frame."""

    def unsure(frame: Frame) -> PathResult:
        return PathResult(frame, "network", (replace(hand_state(frame), origin="network", confidence=0.1),))

    def slow(frame: Frame) -> PathResult:
        time.sleep(0.06)
        return found(frame)

    def start_slowly() -> FakePath:
        time.sleep(0.3)
        return FakePath(slow)

    model, joined = load_embedded_model(), []  # type: ignore[var-annotated]
    paths: dict[PathId, PathFactory] = {"network": lambda: FakePath(unsure), "ik": start_slowly}
    source = FakeSource([plain_image()] * 20)
    listeners = {"test": joined.append}
    run_headless(HeadlessRun(source, paths, model, tmp_path, listeners=listeners, output_mode=OutputMode.NETWORK_FIRST))
    assert [(one.frame.sequence, one.late) for one in joined] == [(index, False) for index in range(20)]
    assert {output.origin for one in joined for output in one.outputs} == {"ik"}


def test_report_names_the_camera_that_was_used(tmp_path: Path) -> None:
    demo = run(demo_source(loop=False), tmp_path, lambda: FakePath(nothing), frames=1)
    assert demo["camera"].startswith("the source's own intrinsics fx,fy,cx,cy = 554.256,554.256,")
    told = run(
        demo_source(loop=False), tmp_path, lambda: FakePath(nothing), frames=1, lens=IntrinsicsChoice(None, 70.0)
    )
    assert told["camera"] == "field of view 70 degrees"
    unknown = run(FakeSource(), tmp_path, lambda: FakePath(nothing))
    assert unknown["camera"] == "default field of view 62 degrees"


def test_real_time_accounts_for_every_frame(tmp_path: Path) -> None:
    report = run(FakeSource([plain_image()] * 20, frames_per_second=500), tmp_path, realtime=True)
    path = report["paths"]["ik"]
    assert path["frames"] + path["drops"] == 20


def test_unreadable_pictures_are_counted_and_do_not_stop_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_picture(folder / "a.png")
    (folder / "b.png").write_bytes(b"damaged")
    write_picture(folder / "c.png")
    report = run(FolderSource(folder), tmp_path / "report")
    assert (report["frames"], report["read_failures"]) == (2, 1)


def test_path_that_breaks_on_one_frame_loses_that_frame_alone(tmp_path: Path) -> None:
    def breaks_on_third(frame: Frame) -> PathResult:
        if frame.sequence == 2:
            raise RuntimeError("boom")
        return found(frame)

    report = run(FakeSource([plain_image()] * 6), tmp_path, lambda: FakePath(breaks_on_third))
    path = report["paths"]["ik"]
    assert (path["frames"], path["failures"], path["lost_frames"]) == (5, 1, 1)


def test_only_failures_without_a_result_in_between_end_the_run(tmp_path: Path) -> None:
    def breaks_now_and_then(frame: Frame) -> PathResult:
        if frame.sequence in (2, 5, 8, 9):
            raise RuntimeError("boom")
        return found(frame)

    report = run(FakeSource([plain_image()] * 12), tmp_path, lambda: FakePath(breaks_now_and_then))
    path = report["paths"]["ik"]
    assert report["end"] == "complete"
    assert (path["frames"], path["failures"], path["lost_frames"]) == (8, 4, 4)


def test_permanently_failing_path_ends_the_run_with_a_partial_report(tmp_path: Path) -> None:
    def breaks_for_good(frame: Frame) -> PathResult:
        if frame.sequence >= 4:
            raise RuntimeError("boom")
        return found(frame)

    report = run(FakeSource(forever=True), tmp_path, lambda: FakePath(breaks_for_good))
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (report["end"], report["frames"], report["paths"]["ik"]["failures"]) == ("broken", 4, 3)
    assert report["notes"] == [
        "MediaPipe + IK broke 3 times without a result in between, so the run ends: RuntimeError: boom."
    ]


def test_run_stopped_with_ctrl_c_reports_the_frames_until_then(tmp_path: Path) -> None:
    report = run(FakeSource(forever=True, on_read=press_ctrl_c_at(20)), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert report["end"] == "stopped"
    assert report["frames"] > 0
    assert report["notes"] == ["The run was stopped early; its report is about the frames until then."]


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_ending_signals_stop_the_run_with_a_report_like_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    reads = itertools.count(1)
    joined: list[object] = []

    def send_signal() -> None:
        # twice, because a closing terminal sends one signal and its shell another while the report is written; not for
        # Ctrl+C, where a second one aborts the writing
        if next(reads) in ((20,) if number == signal.SIGINT else (20, 21)):
            signal.raise_signal(number) if os.name == "nt" else os.kill(os.getpid(), number)

    before = signal.signal(number, signal.SIG_DFL)  # the test runner may ignore it
    try:
        with interrupted_by_end_signals():
            report = run(FakeSource(forever=True, on_read=send_signal), tmp_path, listeners={"motion": joined.append})
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert report["end"] == "stopped"
    assert joined


def test_ignored_hangup_signal_stays_ignored() -> None:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("this system has no SIGHUP")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_by_end_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("moment", ["from the start", "later"])
def test_run_with_an_unwritable_report_continues_and_warns_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder, warnings, joined = tmp_path / "report", list[str](), list[object]()
    if moment == "from the start":
        folder.write_text("a file, where a folder is wanted")
    else:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("hand.picture_file.write_bytes_atomically", full)
        monkeypatch.setattr("app.headless.write_json_atomically", full)
    source = FakeSource([plain_image()] * 12)
    report = run(source, folder, warn=warnings.append, listeners={"motion": joined.append})
    assert len(warnings) == 1
    assert str(folder) in warnings[0]
    assert (report["end"], report["frames"], len(joined)) == ("complete", 12, 12)
    assert warnings[0] in report["notes"]


def test_run_stopped_before_any_result_has_no_report(tmp_path: Path) -> None:
    let_go = threading.Event()

    def never(frame: Frame) -> PathResult:
        _thread.interrupt_main()
        let_go.wait(1.0)  # the main thread leaves the run before the result
        return found(frame)

    with pytest.raises(KeyboardInterrupt):
        run(FakeSource(forever=True), tmp_path, lambda: FakePath(never))
    assert not (tmp_path / "report.json").exists()


def test_path_that_never_works_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    def refuse() -> FakePath:
        raise DetectorError("MediaPipe's hand model is missing; install mediapipe 0.10.21.")

    with pytest.raises(HandliveError, match="hand model is missing"):
        run(FakeSource(forever=True), tmp_path, refuse)
    assert not (tmp_path / "report.json").exists()


def test_source_that_cannot_be_opened_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no video file at"):
        run(VideoSource(tmp_path / "missing.mp4"), tmp_path)


def test_folder_of_damaged_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"damaged")
    with pytest.raises(SourceError, match="no picture that can be read"):
        run(FolderSource(tmp_path), tmp_path / "report")
