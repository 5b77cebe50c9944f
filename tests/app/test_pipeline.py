"""The live pipeline with fake sources and paths: losses, failures, switching and closing at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource, found, nothing, plain_image, wait_until

from app.pipeline.capture_thread import READ_FAILURE_BUDGET, SourcePhase
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.live import LivePipeline
from app.pipeline.metrics.path_statistics import PathStatistics
from app.pipeline.output_selector import OutputChooser, OutputHand
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.playback import Pacer
from app.pipeline.worker import PathPhase, PathUpdate
from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts
from hand.embedded import load_embedded_model
from hand.errors import DetectorError, IntrinsicsError
from hand.types import Frame, PathId, PathResult


@contextmanager
def running(factory: PathFactory | None = None, **options: object) -> Iterator[LivePipeline[int, None]]:
    """A started pipeline whose 'prepared' is the number of hands."""
    pipeline: LivePipeline[int, None] = LivePipeline(
        {"ik": factory or FakePath},
        lambda result: len(result.states),
        lambda: None,
        retry_s=0.01,
        **options,  # type: ignore[arg-type]
    )
    pipeline.start()
    try:
        yield pipeline
    finally:
        pipeline.close()


def next_update(pipeline: LivePipeline[int, None]) -> PathUpdate[int]:
    updates: list[PathUpdate[int]] = []

    def arrived() -> bool:
        update = pipeline.take_update("ik")
        if update is not None:
            updates.append(update)
        return bool(updates)

    wait_until(arrived)
    return updates[0]


def test_update_carries_its_frame_and_the_prepared_value() -> None:
    with running() as pipeline:
        pipeline.show(FakeSource(forever=True))
        update = next_update(pipeline)
    assert update.prepared == 1
    assert update.result.states[0].sequence == update.result.frame.sequence
    assert not update.result.frame.image_rgb.flags.writeable


def test_every_frame_mode_processes_each_frame_once() -> None:
    path = FakePath()
    with running(lambda: path, every_frame=True) as pipeline:
        pipeline.show(FakeSource([plain_image()] * 25))
        sequences = [next_update(pipeline).result.frame.sequence for _ in range(25)]
        assert pipeline.drops("ik") == 0
    assert sequences == list(range(25)) == path.processed


def test_slow_path_sees_the_newest_frame_and_drops_are_counted() -> None:
    gate = threading.Event()

    def slow(frame: Frame) -> PathResult:
        gate.wait(20)
        return nothing(frame)

    with running(lambda: FakePath(slow)) as pipeline:
        pipeline.show(FakeSource([plain_image()] * 40))
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
        gate.set()
        wait_until(lambda: pipeline.drops("ik") >= 38)
        wait_until(lambda: next_update(pipeline).result.frame.sequence == 39)


def test_mirrored_frames_are_flipped_with_their_intrinsics() -> None:
    with running(lens=IntrinsicsChoice(intrinsics_text="300,300,100,110")) as pipeline:
        pipeline.mirror = True
        pipeline.show(FakeSource(forever=True))
        frame = next_update(pipeline).result.frame
    assert frame.mirrored
    assert frame.image_rgb[0, -1].tolist() == [255, 255, 255]
    assert frame.intrinsics.cx_px == pytest.approx(319 - 100)


def test_end_of_file_is_reported_and_the_source_closed() -> None:
    source = FakeSource([plain_image()] * 3)
    with running() as pipeline:
        pipeline.show(source)
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
        assert pipeline.source_state.frames == 3
        wait_until(lambda: not source.is_open)
        pipeline.show(source)  # play again
        wait_until(lambda: source.opened == 2 and pipeline.source_state.phase is SourcePhase.ENDED)


def test_file_waits_at_its_first_picture_until_the_path_has_started() -> None:
    loaded = threading.Event()

    def load() -> FakePath:
        loaded.wait(10.0)
        return FakePath()

    with running(load) as pipeline:
        pipeline.show(FakeSource([plain_image()] * 5))
        wait_until(lambda: pipeline.source_state.frames == 1)
        threading.Event().wait(0.1)  # long enough for several more pictures
        assert pipeline.source_state.phase is SourcePhase.RUNNING
        assert pipeline.source_state.frames == 1
        loaded.set()
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
        assert pipeline.source_state.frames == 5


def test_failed_reads_within_the_budget_do_not_end_the_source() -> None:
    failure = ReadFailure("hiccup")
    source = FakeSource([plain_image(), *[failure] * (READ_FAILURE_BUDGET - 1), plain_image()])
    with running() as pipeline:
        pipeline.show(source)
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
        assert pipeline.source_state.frames == 2
        assert pipeline.source_state.read_failures == READ_FAILURE_BUDGET - 1


def test_unplugged_camera_is_lost_and_comes_back() -> None:
    camera = FakeSource(live=True, forever=True, name="USB Camera")
    with running() as pipeline:
        pipeline.show(camera)
        next_update(pipeline)
        camera.plugged.clear()
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.LOST)
        assert pipeline.source_state.sentence == "USB Camera gives no picture; check its cable."
        wait_until(lambda: not camera.is_open)
        camera.plugged.set()
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.RUNNING and pipeline.source_state.frames > 2)
        assert camera.opened == 2


def test_source_that_cannot_be_opened_is_reported_and_retried() -> None:
    source = FakeSource(forever=True)
    source.plugged.clear()
    with running() as pipeline:
        pipeline.show(source)
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.FAILED)
        assert "not plugged in" in pipeline.source_state.sentence
        source.plugged.set()
        next_update(pipeline)


def test_source_with_a_bug_does_not_end_the_thread() -> None:
    def explode() -> None:
        raise RuntimeError("boom")

    broken = FakeSource(forever=True, on_read=explode)
    broken.may_be_back = lambda: False  # type: ignore[method-assign]
    with running() as pipeline:
        pipeline.show(broken)
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.FAILED)
        assert "boom" in pipeline.source_state.sentence
        pipeline.show(FakeSource(forever=True))
        next_update(pipeline)


def test_skipped_pictures_are_reported_and_do_not_use_up_the_budget() -> None:
    bad = ReadFailure("b.png cannot be read as a picture.", skipped=True)
    with running() as pipeline:
        pipeline.show(FakeSource([*[bad] * 30, plain_image()]))
        wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
        assert pipeline.source_state.frames == 1
        assert pipeline.source_state.read_failures == 30


def test_path_that_raises_is_reported_and_restarted() -> None:
    made: list[FakePath] = []

    def breaks_once(frame: Frame) -> PathResult:
        if len(made) == 1:
            raise RuntimeError("boom")
        return found(frame)

    def make() -> FakePath:
        made.append(FakePath(breaks_once))
        return made[-1]

    phases = []
    with running(make) as pipeline:
        pipeline.show(FakeSource(forever=True))
        wait_until(lambda: pipeline.path_state("ik").phase is PathPhase.FAILED)
        phases.append(pipeline.path_state("ik"))
        assert next_update(pipeline).prepared == 1
        assert pipeline.path_state("ik").phase is PathPhase.RUNNING
        assert pipeline.path_state("ik").failures == 1
        assert pipeline.path_state("ik").lost_frames == 1
    assert "MediaPipe + IK stopped with an error (RuntimeError: boom)" in phases[0].sentence
    assert [path.closed for path in made] == [1, 1]


def test_path_that_cannot_start_shows_its_error_message() -> None:
    def refuse() -> FakePath:
        raise DetectorError("MediaPipe's hand model is missing; install mediapipe 0.10.21.")

    with running(refuse) as pipeline:
        pipeline.show(FakeSource(forever=True))
        wait_until(lambda: pipeline.path_state("ik").phase is PathPhase.FAILED)
        assert pipeline.path_state("ik").sentence == "MediaPipe's hand model is missing; install mediapipe 0.10.21."
        frames: list[Frame | None] = []
        wait_until(lambda: frames.append(pipeline.take_frame()) or frames[-1] is not None)  # pictures continue


def test_source_switched_fifty_times_ends_on_the_last_with_all_others_closed() -> None:
    sources = [FakeSource(forever=True, name=f"Fake {number}", live=number % 2 == 0) for number in range(50)]
    with running() as pipeline:
        for source in sources:
            pipeline.show(source)
            if source is sources[25]:
                next_update(pipeline)
        wait_until(lambda: next_update(pipeline).result.frame.source_id == "Fake 49")
        assert pipeline.source_state.name == "Fake 49"
        assert not any(source.is_open for source in sources[:-1])
    assert all(source.opened == source.closed for source in sources)


@pytest.mark.parametrize("moment", ["open", "read"])
def test_hanging_source_does_not_block_the_next(moment: str) -> None:
    hangs, release = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        release.wait(60.0)

    class Hanging(FakeSource):
        def open(self) -> SourceFacts:
            if moment == "open":
                hang()
            return super().open()

    stuck = Hanging(forever=True, name="Stuck", on_read=hang if moment == "read" else None)
    try:
        with running() as pipeline:
            pipeline.show(stuck)
            wait_until(hangs.is_set)
            pipeline.show(FakeSource(forever=True, name="Next"))
            wait_until(lambda: next_update(pipeline).result.frame.source_id == "Next")
            assert pipeline.source_state.name == "Next"
            before = next_update(pipeline).result.frame.sequence
            release.set()
            wait_until(lambda: not stuck.is_open)
            wait_until(lambda: next_update(pipeline).result.frame.sequence > before + 5)
            assert next_update(pipeline).result.frame.source_id == "Next"
            assert pipeline.source_state.name == "Next"
    finally:
        release.set()


def test_path_is_reset_when_the_source_or_the_mirror_changes() -> None:
    path = FakePath()
    with running(lambda: path) as pipeline:
        for resets, name in enumerate(("one", "two", "three")):
            pipeline.show(FakeSource(forever=True, name=name))
            wait_until(lambda name=name: next_update(pipeline).result.frame.source_id == name)
            assert path.resets == resets
        pipeline.mirror = True
        wait_until(lambda: next_update(pipeline).result.frame.mirrored)
        assert path.resets == 3


def test_unpaced_file_keeps_its_own_frame_times() -> None:
    """Otherwise smoothing would depend on how fast the machine reads."""
    path = FakePath()
    with running(lambda: path, every_frame=True) as pipeline:
        pipeline.show(FakeSource(forever=True, name="file", frames_per_second=50.0))
        times_ns = [next_update(pipeline).result.frame.capture_time_ns for _ in range(5)]
        np.testing.assert_allclose(np.diff(times_ns), 1e9 / 50.0, atol=1.0)
        pipeline.show(FakeSource(forever=True, name="next"))
        wait_until(lambda: next_update(pipeline).result.frame.source_id == "next")
        assert next_update(pipeline).result.frame.capture_time_ns > times_ns[-1]


def test_late_frame_of_the_old_source_takes_no_sequence_number_of_the_new_one() -> None:
    """The source is switched while a picture is being read, so that picture arrives too late."""
    path = FakePath()
    with running(lambda: path, every_frame=True) as pipeline:

        class Switching(FakeSource):
            reads = 0

            def read(self) -> Picture | ReadFailure | EndOfSource:
                self.reads += 1
                if self.reads == 3:
                    pipeline.show(FakeSource(forever=True, name="two"))
                return super().read()

        pipeline.show(Switching(forever=True, name="one"))
        wait_until(lambda: next_update(pipeline).result.frame.source_id == "two")
        assert path.resets == 1
        assert path.processed[:3] == [0, 1, 0]


def test_close_works_before_a_source_while_the_path_starts_and_in_the_middle() -> None:
    with running():
        pass
    slow_start = threading.Event()

    def make_slowly() -> FakePath:
        slow_start.wait(0.2)
        return FakePath()

    with running(make_slowly) as pipeline:
        pipeline.show(FakeSource(forever=True))
    with running(every_frame=True) as pipeline:  # no results are taken: capture and path both wait in their mailboxes
        source = FakeSource(forever=True)
        pipeline.show(source)
        wait_until(lambda: pipeline.source_state.frames > 0)
    assert not source.is_open


def test_close_without_start() -> None:
    pipeline: LivePipeline[None, None] = LivePipeline({"ik": FakePath}, lambda _: None, lambda: None)
    pipeline.close()


def test_news_is_announced_once_until_it_is_pulled() -> None:
    news: list[int] = []
    pipeline: LivePipeline[None, None] = LivePipeline({"ik": FakePath}, lambda _: None, lambda: news.append(1))
    pipeline.start()
    source = FakeSource([plain_image()] * 30)
    pipeline.show(source)
    wait_until(lambda: pipeline.source_state.phase is SourcePhase.ENDED)
    assert len(news) == 1
    pipeline.begin_pull()
    pipeline.show(source)
    wait_until(lambda: source.opened == 2 and pipeline.source_state.phase is SourcePhase.ENDED)
    pipeline.close()
    assert len(news) == 2


def test_redraw_prepares_the_last_result_again() -> None:
    with running() as pipeline:
        pipeline.show(FakeSource([plain_image()]))
        first = next_update(pipeline)
        pipeline.redraw()
        assert next_update(pipeline).result is first.result


def test_lens_uses_the_given_field_of_view_and_refuses_malformed_intrinsics() -> None:
    lens = IntrinsicsChoice(longer_side_fov_deg=90.0)
    assert lens.intrinsics_for(640, 480).fx_px == pytest.approx(320.0)
    assert not lens.intrinsics_for(640, 480).assumed
    known = IntrinsicsChoice().intrinsics_for(640, 480)
    assert known.assumed
    assert IntrinsicsChoice().intrinsics_for(1280, 960, known).fx_px == pytest.approx(2 * known.fx_px)
    with pytest.raises(IntrinsicsError):
        IntrinsicsChoice(intrinsics_text="1,2,3")


def test_pacer_keeps_the_rate_and_does_not_catch_up_after_a_pause() -> None:
    now = 0.0
    pacer = Pacer(10.0, clock=lambda: now)
    waits = []
    for _ in range(3):
        waits.append(pacer.wait_s())
        now += waits[-1]
    assert waits == pytest.approx([0.0, 0.1, 0.1])
    now += 5.0
    assert pacer.wait_s() == 0.0
    assert pacer.wait_s() == pytest.approx(0.1)


def test_statistics_count_rate_latency_and_residual() -> None:
    statistics = PathStatistics(window=None)
    frame = Frame(0, 1_000_000_000, plain_image(), IntrinsicsChoice().intrinsics_for(320, 240), "x")
    for index, latency_ms in enumerate((10, 20, 30)):
        shown_ns = 1_000_000_000 + latency_ms * 1_000_000
        later = Frame(index, 1_000_000_000, plain_image(), frame.intrinsics, "x")
        statistics.record(found(later) if index else nothing(later), shown_ns)
    summary = statistics.summary()
    assert (summary.frames, summary.detections, summary.hands) == (3, 2, 2)
    assert summary.frames_per_second == pytest.approx(100.0)
    assert summary.latency_p50_ms == pytest.approx(20.0)
    assert summary.latency_p95_ms == pytest.approx(29.0)
    assert summary.reprojection_px == pytest.approx(1.25)
    assert statistics.summary(1_500_000_000).frames_per_second == pytest.approx(100.0)
    assert np.isnan(statistics.summary(9_000_000_000).frames_per_second)  # nothing came for a while
    assert statistics.stage_medians_ms() == {"detect": 1.0, "solve": 0.5}
    assert np.isnan(PathStatistics().summary().latency_p50_ms)


class BrokenChooser(OutputChooser):
    """Never makes an output."""

    def choose(self, *_: object) -> tuple[OutputHand, ...]:
        raise RuntimeError("boom")


def test_frame_whose_output_cannot_be_chosen_is_lost_and_the_failures_are_in_a_row() -> None:
    with running(every_frame=True, output=BrokenChooser(load_embedded_model())) as pipeline:
        pipeline.show(FakeSource([plain_image()] * 2))
        wait_until(lambda: pipeline.path_state("ik").lost_frames == 2)
        state = pipeline.path_state("ik")
    assert (state.failures, state.failures_in_a_row) == (2, 2)


def test_every_frame_of_two_paths_is_a_result_or_lost_while_no_output_can_be_chosen() -> None:
    paths: dict[PathId, PathFactory] = {
        "ik": FakePath,
        "network": lambda: FakePath(lambda frame: replace(found(frame), path_id="network")),
    }
    pipeline: LivePipeline[int, None] = LivePipeline(
        paths, lambda _result: 0, lambda: None, every_frame=True, output=BrokenChooser(load_embedded_model())
    )
    results = dict.fromkeys(paths, 0)

    def accounted_for(path_id: PathId) -> int:
        results[path_id] += pipeline.take_update(path_id) is not None
        return results[path_id] + pipeline.path_state(path_id).lost_frames

    pipeline.start()
    try:
        pipeline.show(FakeSource([plain_image()] * 3))
        wait_until(lambda: all(accounted_for(path_id) == 3 for path_id in paths))
    finally:
        pipeline.close()


def test_failures_are_in_a_row_although_the_last_result_is_drawn_again_between_them() -> None:
    def breaks(frame: Frame) -> PathResult:
        if frame.sequence > 0:
            raise RuntimeError("boom")
        return found(frame)

    drawn_again = threading.Event()
    reads = count(1)
    source = FakeSource([plain_image()] * 3, on_read=lambda: next(reads) < 3 or drawn_again.wait(20.0))
    with running(lambda: FakePath(breaks), every_frame=True) as pipeline:
        pipeline.show(source)
        next_update(pipeline)
        wait_until(lambda: pipeline.path_state("ik").failures == 1)
        pipeline.redraw()
        next_update(pipeline)
        drawn_again.set()
        wait_until(lambda: pipeline.path_state("ik").failures == 2)
        assert pipeline.path_state("ik").failures_in_a_row == 2
