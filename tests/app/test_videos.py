"""Videos of phones and cameras, and damaged ones: rotation, pixel aspect ratio, frame times and missing frames."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, found, nothing, wait_until, write_clip
from test_playback import Player, play  # noqa: F401
from video_files import put_index_first, set_frame_times, set_pixel_ratio, spoil_frames, turn, write_video

from app.command_line import run
from app.headless import HeadlessRun, run_headless
from app.motion.recorder import MotionRecorder
from app.pipeline.paths.smoothing import Smoothing, smoothed
from app.pipeline.playback import Pacer
from app.pipeline.result_synchronizer import JoinedResult
from app.recording.importing import import_session
from app.sources.base import EndOfSource, Picture, ReadFailure, Shortfall, SourceFacts
from app.sources.video import VideoSource
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.one_euro import HandStateFilter
from hand.recording_reader import open_recording
from hand.types import Frame, PathResult

MODEL = load_embedded_model()
FRAMES = 40
UNEVEN_MS = [40] * 20 + [100] * 20


def frames_with_a_corner() -> list[np.ndarray]:
    """Frames that grow brighter, with a white square at the top left."""
    frames = [np.full((96, 128, 3), 40 + 4 * index, np.uint8) for index in range(FRAMES)]
    for frame in frames:
        frame[:20, :20] = 255
    return frames


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4", frames_with_a_corner())


def read_video(path: Path) -> tuple[SourceFacts, list[Picture], list[ReadFailure], Shortfall | None]:
    source = VideoSource(path)
    facts, pictures, failures = source.open(), [], []
    while not isinstance(read := source.read(), EndOfSource):
        if isinstance(read, Picture):
            pictures.append(read)
        else:
            failures.append(read)
    source.close()
    return facts, pictures, failures, read.shortfall


def frame_index(picture: Picture | Frame) -> int:
    """The index of the frame, from its brightness."""
    return round((float(picture.image_rgb[40:90, 40:90].mean()) - 37.0) / 4.0)


def bright_corner(image: np.ndarray) -> str:
    corners = {
        "top left": image[:10, :10],
        "top right": image[:10, -10:],
        "bottom right": image[-10:, -10:],
        "bottom left": image[-10:, :10],
    }
    return max(corners, key=lambda name: float(corners[name].mean()))


@pytest.mark.parametrize(
    ("clockwise_deg", "corner", "size_px"),
    [
        (0, "top left", (128, 96)),
        (90, "top right", (96, 128)),
        (180, "bottom right", (128, 96)),
        (270, "bottom left", (96, 128)),
    ],
)
def test_video_with_rotation_metadata_is_upright(
    video: Path, clockwise_deg: int, corner: str, size_px: tuple[int, int]
) -> None:
    turn(video, clockwise_deg)
    facts, pictures, *_ = read_video(video)
    assert (facts.width_px, facts.height_px) == size_px
    assert pictures[0].image_rgb.shape[1::-1] == size_px
    assert bright_corner(pictures[0].image_rgb) == corner


def test_video_with_rotation_metadata_is_tracked_and_imported_upright(video: Path, tmp_path: Path) -> None:
    turn(video, 90)
    tracked: list[str] = []

    def behave(frame: Frame) -> PathResult:
        tracked.append(bright_corner(frame.image_rgb))
        return nothing(frame)

    run_headless(HeadlessRun(VideoSource(video), {"ik": lambda: FakePath(behave)}, MODEL, tmp_path / "r"))
    import_session(video, tmp_path / "session", MODEL, [])
    session = open_recording(tmp_path / "session")
    imported = [bright_corner(session.picture(frame)) for frame in session.frames]
    assert tracked == imported == ["top right"] * FRAMES


def test_non_square_pixels_are_stretched_with_a_note(video: Path) -> None:
    set_pixel_ratio(video, 64, 45)
    facts, pictures, *_ = read_video(video)
    assert (facts.width_px, facts.height_px) == (182, 96)
    assert pictures[0].image_rgb.shape == (96, 182, 3)
    assert "not square" in facts.note
    assert "128 x 96 are stretched to 182 x 96" in facts.note
    turn(video, 90)  # the ratio is that of the picture before it is turned
    assert read_video(video)[1][0].image_rgb.shape == (182, 96, 3)


def test_nearly_square_pixels_stay_as_they_are(video: Path) -> None:
    set_pixel_ratio(video, 100, 101)
    facts, *_ = read_video(video)
    assert (facts.width_px, facts.height_px, facts.note) == (128, 96, "")


def test_frames_carry_the_files_own_times(video: Path) -> None:
    set_frame_times(video, UNEVEN_MS)
    _, pictures, failures, shortfall = read_video(video)
    times_ms = [round((picture.media_time_ns or 0) / 1e6) for picture in pictures]
    assert times_ms == [sum(UNEVEN_MS[:index]) for index in range(FRAMES)]
    assert (failures, shortfall) == ([], None)


def test_seek_with_uneven_frame_times_finds_the_same_frame(video: Path) -> None:
    set_frame_times(video, UNEVEN_MS)
    source = VideoSource(video)
    source.open()
    seen = [source.read() for _ in range(FRAMES)]
    for index in (25, 24, 3, 38, 20, 19):
        source.seek(index)
        read, before = source.read(), seen[index]
        assert isinstance(read, Picture)
        assert isinstance(before, Picture)
        assert (source.position, frame_index(read)) == (index + 1, index)
        assert read.media_time_ns == before.media_time_ns
    source.close()


def test_a_motion_has_the_files_times(video: Path, tmp_path: Path) -> None:
    set_frame_times(video, UNEVEN_MS)
    recorder = MotionRecorder(MODEL)
    listeners = {"motion": recorder.take}
    report = run_headless(HeadlessRun(VideoSource(video), {"ik": FakePath}, MODEL, tmp_path / "r", listeners=listeners))
    times_s = recorder.motion(report["source"]["frames_per_second"]).tracks[0].times_s
    np.testing.assert_allclose(times_s, [sum(UNEVEN_MS[:index]) / 1000 for index in range(FRAMES)], atol=1e-6)


def test_smoothing_uses_the_files_frame_times(video: Path, tmp_path: Path) -> None:
    """The result equals that of the filter with these times, not that with the mean frame rate."""

    def jump_at_the_thirtieth(frame: Frame) -> PathResult:
        result = found(frame)
        (state,) = result.states
        place_m = np.asarray(state.camera_translation_m) + np.array([0.0, 0.0, 0.1]) * (frame.sequence >= 30)
        return replace(result, states=(replace(state, camera_translation_m=place_m.astype(np.float32)),))

    set_frame_times(video, UNEVEN_MS)
    smoothing, joined = Smoothing(0.5), list[JoinedResult]()
    factory = smoothed(lambda: FakePath(jump_at_the_thirtieth), MODEL, smoothing)
    run_headless(
        HeadlessRun(VideoSource(video), {"ik": factory}, MODEL, tmp_path / "r", listeners={"m": joined.append})
    )
    states = [(one.results["ik"].unfiltered[0], one.results["ik"].states[0]) for one in joined]
    assert len(states) == FRAMES
    file_times_ms = [sum(UNEVEN_MS[:index]) for index in range(FRAMES)]
    mean_rate_times_ms = np.arange(FRAMES) * np.mean(UNEVEN_MS)

    def largest_error_mm(times_ms: Sequence[float] | np.ndarray) -> float:
        alone = HandStateFilter(HandLayer(MODEL))
        alone.tune(smoothing.settings())
        wanted = [alone(raw, round(time * 1e6)) for (raw, _), time in zip(states, times_ms, strict=True)]
        pairs = zip(wanted, (smooth for _, smooth in states), strict=True)
        return 1000.0 * max(float(np.abs(one.joints_m - other.joints_m).max()) for one, other in pairs)

    assert largest_error_mm(file_times_ms) < 1e-3
    assert largest_error_mm(mean_rate_times_ms) > 1.0


def test_a_session_has_the_files_times(video: Path, tmp_path: Path) -> None:
    set_frame_times(video, UNEVEN_MS)
    import_session(video, tmp_path / "session", MODEL, [FakePath()])
    times_ns = [frame.capture_time_ns for frame in open_recording(tmp_path / "session").frames]
    assert [round(time_ns / 1e6) for time_ns in times_ns] == [sum(UNEVEN_MS[:index]) for index in range(FRAMES)]


def test_played_frames_are_as_far_apart_as_in_the_file_at_any_speed(
    video: Path,
    play: type[Player],  # noqa: F811
) -> None:
    set_frame_times(video, [10] * 30 + [30] * 10)
    player = play(VideoSource(video))
    player.thread.playback.set_speed(4.0)
    while player.thread.state.phase.value != "ended":
        player.news.wait(0.05)
    times_ms = np.array([frame.capture_time_ns for frame in player.frames]) / 1e6
    np.testing.assert_allclose(np.diff(times_ms), [10] * 30 + [30] * 9, atol=0.01)
    arrivals_ns = [frame.arrival_time_ns for frame in player.frames]
    assert arrivals_ns == sorted(arrivals_ns)


def test_frames_are_due_at_the_files_times(
    video: Path,
    play: type[Player],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due_ns: list[int | None] = []

    class Watched(Pacer):
        def wait_s(self, media_time_ns: int | None = None) -> float:
            due_ns.append(media_time_ns)
            return 0.0

    monkeypatch.setattr("app.pipeline.capture_thread.Pacer", Watched)
    set_frame_times(video, UNEVEN_MS)
    player = play(VideoSource(video))
    wait_until(lambda: player.thread.state.phase.value == "ended")
    assert due_ns == [sum(UNEVEN_MS[:index]) * 1_000_000 for index in range(FRAMES)]


def test_pacer_waits_for_the_time_of_each_frame_and_only_once_for_a_repeated_one() -> None:
    now = 0.0
    pacer = Pacer(10.0, 2.0, clock=lambda: now)
    waits = []
    for time_ms in (0, 40, 140, 140):
        waits.append(pacer.wait_s(time_ms * 1_000_000))
        now += waits[-1]
    assert waits == pytest.approx([0.0, 0.02, 0.05, 0.0])


def test_damaged_frames_are_skipped_and_the_others_keep_their_numbers_and_times(video: Path) -> None:
    spoil_frames(video, 10, 15)
    _, pictures, failures, shortfall = read_video(video)
    assert [frame_index(picture) for picture in pictures] == [*range(10), *range(15, FRAMES)]
    assert [round((p.media_time_ns or 0) / 1e6) for p in pictures] == [40 * i for i in [*range(10), *range(15, FRAMES)]]
    assert [failure.sentence for failure in failures] == ["video.mp4 is damaged: frames 10 to 14 cannot be read."]
    assert all(failure.skipped for failure in failures)
    assert shortfall == Shortfall(FRAMES, FRAMES - 5)


def test_truncated_video_reports_declared_and_read_frames(video: Path) -> None:
    put_index_first(video)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 6 // 10])
    _, pictures, _, shortfall = read_video(video)
    assert 10 < len(pictures) < FRAMES - 5
    assert shortfall == Shortfall(FRAMES, len(pictures))


def test_looping_truncated_video_is_reported_once_per_loop(video: Path) -> None:
    put_index_first(video)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 6 // 10])
    source = VideoSource(video, loop=True)
    source.open()
    reads = [source.read() for _ in range(3 * FRAMES)]
    source.close()
    sentences = [read.sentence for read in reads if isinstance(read, ReadFailure)]
    assert len(sentences) in (4, 5, 6)
    assert set(sentences) == {sentences[0]}
    assert "declares 40 frames" in sentences[0]


def test_headless_run_on_a_damaged_video_reports_declared_and_read_frames(video: Path, tmp_path: Path) -> None:
    spoil_frames(video, 10, 15)
    numbers: list[int] = []

    def behave(frame: Frame) -> PathResult:
        numbers.append(frame.sequence)
        return nothing(frame)

    report = run_headless(HeadlessRun(VideoSource(video), {"ik": lambda: FakePath(behave)}, MODEL, tmp_path / "r"))
    assert numbers == [*range(10), *range(15, FRAMES)]
    assert report["end"] == "incomplete"
    assert (report["source"]["frames_promised"], report["source"]["frames_read"]) == (FRAMES, FRAMES - 5)
    assert any("declares 40 frames, of which 35 could be read" in note for note in report["notes"])


def test_command_line_run_on_a_truncated_video_reports_declared_and_read_frames(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.command_line._paths", lambda *_, **__: {"ik": FakePath})
    put_index_first(video)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 6 // 10])
    assert run(["--headless", "--source", str(video), "--report", str(tmp_path / "r")]) == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    promised, read = (report["source"][key] for key in ("frames_promised", "frames_read"))
    assert (report["end"], promised, read) == ("incomplete", FRAMES, report["frames"])
    out, err = capsys.readouterr()
    assert f"video.mp4 declares {FRAMES} frames, of which {read} could be read" in err
    assert f"{read} frames" in out


def test_import_of_a_damaged_video_warns_with_declared_and_read_frames(video: Path, tmp_path: Path) -> None:
    spoil_frames(video, 10, 15)
    warnings: list[str] = []
    assert import_session(video, tmp_path / "s", MODEL, [FakePath()], warn=warnings.append) == FRAMES - 5
    assert [sentence for sentence in warnings if "declares 40 frames, of which 35 could be read" in sentence]
    frames = open_recording(tmp_path / "s").frames
    assert [frame.sequence for frame in frames] == [*range(10), *range(15, FRAMES)]


@pytest.mark.parametrize("name", ["two words.mp4", 'it\'s "quoted".mp4', "手 рука يد.mp4", "clip:1.mp4", "100%d.mp4"])
def test_videos_with_odd_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if sys.platform == "win32" and set(name) & set('":'):
        pytest.skip("Windows has no such names")
    path = tmp_path / name
    write_clip(tmp_path / "clip.mp4", frames=5).replace(path)
    facts, pictures, *_ = read_video(path)
    assert (facts.name, len(pictures)) == (name, 5)
    monkeypatch.chdir(tmp_path)
    assert len(read_video(Path(name))[1]) == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has file names that are not valid UTF-8")
def test_video_with_a_non_utf8_name_is_read_and_its_name_is_printable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / os.fsdecode(b"hand\xff\xe9.mp4")
    write_clip(tmp_path / "clip.mp4", frames=5).replace(path)
    facts, pictures, *_ = read_video(path)
    assert len(pictures) == 5
    assert facts.name.encode() == "hand\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.mp4".encode()
    report = run_headless(HeadlessRun(VideoSource(path), {"ik": FakePath}, MODEL, tmp_path / "r"))
    assert report["frames"] == 5
    monkeypatch.chdir(tmp_path)
    assert len(read_video(Path(path.name))[1]) == 5
