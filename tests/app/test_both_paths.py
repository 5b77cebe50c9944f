"""The window with two fake paths: views, the output and its fallback, disabled and failing paths, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource, found, hand_state, nothing, plain_image
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from windows import PATIENCE_MS, Open, wait_for_result

from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.path_factories import chosen_paths
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.worker import MissingReason, PathPhase
from app.rendering.orbit import Orbit
from app.sources.base import FrameSource
from app.sources.choose import ChosenSource
from app.ui.views.wipe_view import WipeView
from app.ui.window.main_window import MainWindow
from app.ui.window.pane import Pane
from app.ui.window.tool_bar import TopBar
from app.ui.window.view_switch import VIEW_ORDER
from app.ui.window_options import ViewName
from benchmarks.soak import LIMIT_MB, count_threads, growth_mb, soak
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.types import Frame, PathResult

OpenBoth = Callable[..., MainWindow]


def network_found(frame: Frame, confidence: float = 0.9) -> PathResult:
    """A hand one centimetre to the side of the other path's."""
    state = replace(hand_state(frame, "right", 0.01), origin="network", confidence=confidence)
    return PathResult(frame, "network", (state,), (), {"total": 2.0})


@pytest.fixture
def open_both(open_window: Open) -> OpenBoth:
    """Opens windows with two fake paths."""

    def open_it(
        network: PathFactory | None = None,
        ik: PathFactory | None = None,
        source: FrameSource | None = None,
        **options: object,
    ) -> MainWindow:
        paths = {"network": network or (lambda: FakePath(network_found)), "ik": ik or FakePath}
        # the fakes' hands would be fused, but most of these tests check which single path the output follows
        options = {"size": (1280, 720), "output_mode": OutputMode.NETWORK_FIRST, **options}
        return open_window(source, paths, **options)

    return open_it


def wait_for_output(qtbot: QtBot, window: MainWindow, path_id: str) -> None:
    def is_there() -> bool:
        joined = window.joined
        return joined is not None and joined.output is not None and joined.output.origin == path_id

    qtbot.waitUntil(is_there, timeout=PATIENCE_MS)


def test_both_panes_show_the_same_frame_and_the_output_is_marked(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    together = 0
    while together < 5:
        wait_for_result(qtbot, window)
        displays = [pane.display for pane in window.pane_area.shown_panes]
        assert len(displays) == 2
        # on a busy machine a path may be late for a frame, whose pane is then shown without it
        if window.joined is None or len(window.joined.results) < 2:
            continue
        assert displays[0] is not None
        assert displays[1] is not None
        assert displays[0].frame is displays[1].frame
        together += 1
    network, ik = window.panes["network"], window.panes["ik"]
    assert network.heading.is_output
    assert not ik.heading.is_output
    qtbot.waitUntil(lambda: "high enough (90%)" in network.picture.caption_text, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: window.status.rate.value().count("|") == 1, timeout=PATIENCE_MS)


def test_every_view_paints_its_panes(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    wait_for_result(qtbot, window)
    views: tuple[ViewName, ...] = ("combined", "network", "ik", "output", "three", "side by side")
    for view in views:
        window.show_view(view)
        for mesh in (True, False):
            window.bar.overlay.setChecked(mesh)
            wait_for_result(qtbot, window)
            wait_for_result(qtbot, window)
            for pane in window.pane_area.shown_panes:
                assert pane.display is not None
                assert pane.display.has_hand
                # on a busy machine a pane that was just shown takes a moment to be laid out
                qtbot.waitUntil(lambda pane=pane: is_painted(pane), timeout=PATIENCE_MS)
        assert window.pane_area.view == view


def test_the_fused_hand_has_a_view_between_both_paths(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both(output_mode=OutputMode.FUSED)
    wait_for_output(qtbot, window, "fused")
    assert window.panes["output"].picture.caption_text == ""  # the pane is hidden
    window.show_view("three")
    assert window.panes["output"].heading.title == "Output: Fused"
    assert [pane.name for pane in window.pane_area.shown_panes] == ["network", "output", "ik"]
    lefts = [pane.mapToGlobal(pane.rect().topLeft()).x() for pane in window.pane_area.shown_panes]
    assert lefts == sorted(lefts)
    for _ in range(3):
        wait_for_result(qtbot, window)
    picture = window.panes["output"].picture
    qtbot.waitUntil(lambda: "both paths find the hand" in picture.caption_text, timeout=PATIENCE_MS)
    assert not window.panes["network"].heading.is_output


def test_the_mode_of_the_output_is_chosen_in_its_panel(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both(output_mode=OutputMode.FUSED)
    wait_for_output(qtbot, window, "fused")
    panel = window.output_panel
    assert panel.leave.isHidden()
    panel.mode.setCurrentIndex(panel.mode.findData(OutputMode.IK))
    wait_for_output(qtbot, window, "ik")
    panel.mode.setCurrentIndex(panel.mode.findData(OutputMode.NETWORK_FIRST))
    assert not panel.leave.isHidden()
    wait_for_output(qtbot, window, "network")


def test_view_buttons_collapse_to_a_menu_in_a_narrow_window(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both(size=(1500, 800))
    window.show_view("three")
    qtbot.waitUntil(lambda: not window.bar.views.compact, timeout=PATIENCE_MS)
    window.resize(1024, 640)
    qtbot.waitUntil(lambda: window.bar.views.compact, timeout=PATIENCE_MS)
    assert window.width() == 1024
    window.resize(1500, 800)
    qtbot.waitUntil(lambda: not window.bar.views.compact, timeout=PATIENCE_MS)


def test_view_buttons_collapse_when_a_long_source_name_needs_the_space(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    bar = TopBar(window)
    bar.offer_views(VIEW_ORDER)
    bar.source.show_source("a", None)
    window.show()
    just_enough_px = bar.minimumSizeHint().width() + bar.views.full_width_px - bar.views.compact_width_px
    bar.resize(just_enough_px, bar.height())
    qtbot.waitUntil(lambda: not bar.views.compact, timeout=PATIENCE_MS)
    bar.source.show_source("a_clip_with_a_long_name.mp4", None)
    qtbot.waitUntil(lambda: bar.views.compact, timeout=PATIENCE_MS)


def is_painted(pane: Pane) -> bool:
    return colors_in(pane.scene.widget.grab().toImage()) > 20


def colors_in(image: QImage) -> int:
    middle = image.height() // 2
    return len({image.pixel(x, middle) for x in range(20, image.width() - 20, 3)})


def test_difference_colours_are_cool_where_the_paths_agree(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    wait_for_output(qtbot, window, "network")
    for _ in range(3):
        wait_for_result(qtbot, window)
    plain = reddest(window.panes["network"].scene.widget.grab().toImage())
    window.bar.difference.setChecked(True)

    def is_cool() -> bool:
        return reddest(window.panes["network"].scene.widget.grab().toImage()) < plain - 40

    # the fakes' hands differ by a translation only, so once aligned they agree everywhere: cool colours
    qtbot.waitUntil(is_cool, timeout=PATIENCE_MS)


def reddest(image: QImage) -> int:
    """The largest surplus of red over blue anywhere above the legend."""
    step = range(0, image.width(), 4), range(0, image.height() - 50, 4)
    colors = [image.pixelColor(x, y) for x in step[0] for y in step[1]]
    return max(color.red() - color.blue() for color in colors)


def test_output_follows_ik_while_the_network_confidence_is_low(qtbot: QtBot, open_both: OpenBoth) -> None:
    confidence = {"now": 0.9}
    window = open_both(lambda: FakePath(lambda frame: network_found(frame, confidence["now"])))
    wait_for_output(qtbot, window, "network")
    confidence["now"] = 0.1
    wait_for_output(qtbot, window, "ik")
    qtbot.waitUntil(lambda: window.panes["ik"].heading.is_output, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "low (10%" in window.panes["ik"].picture.caption_text, timeout=PATIENCE_MS)
    confidence["now"] = 0.9
    wait_for_output(qtbot, window, "network")


def test_output_follows_the_path_that_still_finds_the_hand(qtbot: QtBot, open_both: OpenBoth) -> None:
    finds_nothing = {"network": False, "ik": False}
    window = open_both(
        lambda: FakePath(
            lambda frame: PathResult(frame, "network", ()) if finds_nothing["network"] else network_found(frame)
        ),
        lambda: FakePath(lambda frame: nothing(frame) if finds_nothing["ik"] else found(frame)),
    )
    wait_for_output(qtbot, window, "network")
    finds_nothing["network"] = True
    wait_for_output(qtbot, window, "ik")
    finds_nothing["network"], finds_nothing["ik"] = False, True
    wait_for_output(qtbot, window, "network")
    picture = window.panes["network"].picture
    qtbot.waitUntil(lambda: "MediaPipe finds no hand" in picture.caption_text, timeout=PATIENCE_MS)


def test_network_that_cannot_start_shows_its_error_in_its_pane_while_ik_continues(
    qtbot: QtBot, open_both: OpenBoth
) -> None:
    def refuse() -> FakePath:
        raise CheckpointError("network.onnx is damaged; export the network again.")

    window = open_both(refuse)
    wait_for_output(qtbot, window, "ik")
    hint = "network.onnx is damaged; export the network again."
    qtbot.waitUntil(lambda: window.panes["network"].picture.hint_text == hint, timeout=PATIENCE_MS)
    # the picture is still shown
    qtbot.waitUntil(lambda: window.panes["network"].display is not None, timeout=PATIENCE_MS)
    assert window.panes["ik"].picture.hint_text == ""
    assert window.joined is not None
    assert window.joined.missing["network"] in (MissingReason.FAILED, MissingReason.STARTING)


def test_invalid_network_folder_raises_only_at_path_start_if_tolerant(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{}", encoding="utf-8")
    model = load_embedded_model()
    paths = chosen_paths("both", tmp_path, model, 1, tolerant=True, warn=print)
    assert list(paths) == ["network", "ik"]
    with pytest.raises(CheckpointError):
        paths["network"]()
    with pytest.raises(CheckpointError):
        chosen_paths("both", tmp_path, model, 1, warn=print)


def test_repeatedly_failing_path_does_not_affect_the_other_path(qtbot: QtBot, open_both: OpenBoth) -> None:
    def explode(frame: Frame) -> PathResult:
        raise RuntimeError("boom")

    window = open_both(ik=lambda: FakePath(explode))
    wait_for_output(qtbot, window, "network")
    qtbot.waitUntil(lambda: window.pipeline.path_state("ik").failures >= 2, timeout=PATIENCE_MS)
    wait_for_result(qtbot, window)
    assert window.pipeline.path_state("network").failures == 0


def test_disabled_path_processes_no_frames_and_resumes_when_enabled(qtbot: QtBot, open_both: OpenBoth) -> None:
    path = FakePath(network_found)
    window = open_both(lambda: path)
    wait_for_output(qtbot, window, "network")
    window.panes["network"].heading.switch.click()
    qtbot.waitUntil(lambda: window.pipeline.path_state("network").phase is PathPhase.DISABLED, timeout=PATIENCE_MS)
    wait_for_output(qtbot, window, "ik")
    done = len(path.processed)
    for _ in range(5):
        wait_for_result(qtbot, window)
    assert len(path.processed) == done  # no work while disabled
    assert window.panes["network"].picture.hint_text == "Network is switched off"
    assert window.panes["network"].display is not None
    assert not window.panes["network"].display.has_hand  # but the picture is still shown
    window.panes["network"].heading.switch.click()
    wait_for_output(qtbot, window, "network")
    assert path.closed == 0  # the path was not recreated


def test_both_paths_off_still_shows_the_picture(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    wait_for_result(qtbot, window)
    window.set_enabled("network", False)
    window.set_enabled("ik", False)

    def is_bare() -> bool:
        image = window.panes["ik"].picture.grab().toImage()
        color = image.pixelColor(image.width() // 2, image.height() // 2)
        return (color.red(), color.green(), color.blue()) == (90, 90, 90)

    qtbot.waitUntil(is_bare, timeout=PATIENCE_MS)


def test_slow_path_does_not_slow_the_other_down(qtbot: QtBot, open_both: OpenBoth) -> None:
    def slow(frame: Frame) -> PathResult:
        threading.Event().wait(0.25)
        return found(frame)

    path = FakePath(network_found)
    window = open_both(lambda: path, lambda: FakePath(slow))
    qtbot.waitUntil(lambda: window.statistics("ik").frames >= 3, timeout=PATIENCE_MS)
    assert window.statistics("network").frames > 2 * window.statistics("ik").frames
    # both paths still share frames, so they can be compared
    qtbot.waitUntil(lambda: window.comparison.numbers().compared > 0, timeout=PATIENCE_MS)
    numbers = window.comparison.numbers()
    assert numbers.disagreement_mm == pytest.approx(0.0, abs=0.1)
    assert numbers.placement_mm == pytest.approx(10.0, abs=0.1)


def test_only_the_last_of_fifty_switched_sources_stays_open(qtbot: QtBot, open_both: OpenBoth) -> None:
    sources = [FakeSource(forever=True, name=f"Fake {number}", live=number % 3 == 0) for number in range(50)]
    window = open_both()
    for number, source in enumerate(sources):
        window.show_source(ChosenSource(source))
        if number % 10 == 0:
            wait_for_result(qtbot, window)
    qtbot.waitUntil(
        lambda: window.joined is not None and window.joined.frame.source_id == "Fake 49", timeout=PATIENCE_MS
    )
    assert not any(source.is_open for source in sources[:-1])


def test_changing_resolution_is_followed_by_both_panes(qtbot: QtBot, open_both: OpenBoth) -> None:
    sizes = ((240, 320), (480, 640), (300, 200))
    images = [np.full((*size, 3), 60, np.uint8) for size in sizes]
    window = open_both(source=FakeSource(images, forever=True, frames_per_second=30))
    seen = set()
    for _ in range(40):
        wait_for_result(qtbot, window)
        for pane in window.pane_area.shown_panes:
            assert pane.display is not None
            seen.add((pane.name, pane.display.frame.image_rgb.shape[:2]))
        if len(seen) == 2 * len(sizes):
            return
    pytest.fail(f"only {seen} were shown")


@pytest.mark.parametrize("moment", ["starting", "running", "switching", "disabled", "failing", "another view"])
def test_closing_the_window_in_any_state_leaves_no_thread(qtbot: QtBot, open_both: OpenBoth, moment: str) -> None:
    before = {thread.name for thread in threading.enumerate()}

    def explode(frame: Frame) -> PathResult:
        raise RuntimeError("boom")

    def make_slowly() -> FakePath:
        threading.Event().wait(0.2)
        return FakePath()

    ik: PathFactory = {"starting": make_slowly, "failing": lambda: FakePath(explode)}.get(moment, FakePath)
    window = open_both(ik=ik)
    if moment != "starting":
        wait_for_result(qtbot, window)
    if moment == "switching":
        window.show_source(ChosenSource(FakeSource([plain_image()] * 3)))
    elif moment == "disabled":
        window.set_enabled("ik", False)
    elif moment == "another view":
        window.show_view("combined")
    window.close()
    assert {thread.name for thread in threading.enumerate() if not thread.daemon or "path" in thread.name} <= before


def test_linked_views_turn_together(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    wait_for_result(qtbot, window)
    view = window.panes["network"].scene.widget
    middle = view.rect().center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(view, middle + QPoint(80, 30))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(80, 30))
    orbits = {pane.scene.orbit for pane in window.panes.values()}
    assert len(orbits) == 1
    assert orbits != {Orbit()}
    window.bar.reset.click()
    assert {pane.scene.orbit for pane in window.panes.values()} == {Orbit()}


def test_wipe_follows_the_mouse_and_the_arrow_keys(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both(view="combined")
    wait_for_result(qtbot, window)
    view = window.panes["combined"].picture
    assert isinstance(view, WipeView)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(view.width() // 4, view.height() // 2))
    assert view.share == pytest.approx(0.25, abs=0.02)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.share == pytest.approx(0.29, abs=0.02)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(0, 5))
    assert view.share == pytest.approx(0.02)


def test_panels_show_numbers_and_save_the_session(qtbot: QtBot, open_both: OpenBoth, tmp_path: Path) -> None:
    window = open_both()
    panel = window.compare_panel
    qtbot.waitUntil(lambda: panel.value("ik", "reprojection_px") == "2.8", timeout=PATIENCE_MS)  # 2 px right and down
    qtbot.waitUntil(lambda: panel.disagreement_text.startswith("0.0 mm"), timeout=PATIENCE_MS)
    assert panel.value("network", "confidence") == "90%"
    panel.save(tmp_path / "session")
    assert "session is saved as session.csv" in window.pane_area.notice_text
    assert QImage(str(tmp_path / "session.png")).width() > 600
    assert (tmp_path / "session.csv").read_text(encoding="utf-8").startswith("second,network_frames")
    panel.save(Path("/proc/nowhere/session"))
    assert "cannot be saved" in window.pane_area.notice_text


def test_thresholds_are_set_in_the_window_and_keep_their_order(open_both: OpenBoth) -> None:
    window = open_both()
    panel = window.output_panel
    panel.leave.slider.setValue(70)
    assert (window.chooser.settings.leave_below, window.chooser.settings.return_above) == (0.7, 0.7)
    panel.back.slider.setValue(40)
    assert (window.chooser.settings.leave_below, window.chooser.settings.return_above) == (0.4, 0.4)
    panel.fade.slider.setValue(10)
    assert window.chooser.settings.fade_ms == 500.0


def test_listeners_get_each_frame_once_with_its_output(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    received: list[tuple[int, str]] = []

    def listen(joined: JoinedResult) -> None:
        if not joined.late:
            received.append((joined.frame.sequence, "" if joined.output is None else joined.output.origin))

    window.pipeline.add_listener("test", listen)
    # on a busy machine the network may be late for a frame, whose output then comes from the other path
    qtbot.waitUntil(lambda: len(received) > 10 and received[-1][1] == "network", timeout=PATIENCE_MS)
    sequences = [sequence for sequence, _ in received]
    assert sequences == sorted(set(sequences))


def test_short_soak_grows_no_threads_and_no_files(qtbot: QtBot, open_both: OpenBoth) -> None:
    window = open_both()
    wait_for_output(qtbot, window, "network")
    soak(window, 3.0, 0.25)  # every view once
    samples = soak(window, 6.0, 0.25)
    assert samples[-1].frames > samples[0].frames
    half = samples[len(samples) // 2 :]
    before = samples[: len(half)]
    assert min(sample.threads for sample in half) <= min(sample.threads for sample in before)
    # while a source is reopened, the threads of the old and the new one coexist for a moment
    qtbot.waitUntil(lambda: count_threads() <= max(sample.threads for sample in before))
    assert half[-1].files <= samples[0].files + 2
    assert growth_mb(samples) < LIMIT_MB
