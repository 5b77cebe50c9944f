"""The window with fake sources and paths: its states, recovery from failures, and closing at any time."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource, found, nothing, plain_image, write_clip, write_picture
from network_cameras import PhoneCamera
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PyQt6.QtGui import QImage, QKeyEvent, QWheelEvent
from PyQt6.QtWidgets import QDockWidget, QInputDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot
from video_files import spoil_frames, write_video
from windows import PATIENCE_MS, Open, wait_for_result

from app.output_texts import MODE_NAMES
from app.palette import DARK, LIGHT, Theme, rgb
from app.pipeline.capture_thread import SourcePhase
from app.pipeline.output_reason import OutputMode
from app.pipeline.worker import PathPhase
from app.rendering.orbit import Orbit
from app.sources.base import SourceFacts
from app.sources.camera_formats import CameraFormat
from app.sources.camera_list import CameraInfo
from app.sources.choose import ChosenSource, SourceOptions
from app.sources.pictures import PictureSource
from app.sources.video import VideoSource
from app.ui.screenshot import Screenshot, after_results
from app.ui.theme.style_sheet import style_sheet
from app.ui.tools.first_steps import Guide
from app.ui.tools.help import ShortcutsDialog
from app.ui.views.software_mesh_view import SoftwareMeshView
from app.ui.widgets.message_card import MessageCard
from app.ui.window.main_window import MainWindow
from app.ui.window.status_messages import NO_HAND_HINT
from hand.errors import DetectorError
from hand.types import Frame, PathResult


def click(qtbot: QtBot, window: MainWindow, text: str) -> None:
    def visible() -> list[QPushButton]:
        buttons = window.pane_area.findChildren(QPushButton)
        return [button for button in buttons if button.text() == text and button.isVisible()]

    qtbot.waitUntil(lambda: len(visible()) == 1, timeout=PATIENCE_MS)  # a layout shows its new buttons a little later
    visible()[0].click()


def is_drawn(image: QImage) -> bool:
    return len({image.pixel(x, image.height() // 2) for x in range(40, image.width() - 40, 7)}) > 4


def test_opening_note_is_shown(open_window: Open) -> None:
    window = open_window(opening_note="There is no file MANO_RIGHT.pkl. The embedded hand is shown meanwhile.")
    assert window.pane_area.notice_text.startswith("There is no file MANO_RIGHT.pkl.")


def test_hand_is_shown_in_both_views_with_its_numbers(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    wait_for_result(qtbot, window)
    qtbot.waitUntil(lambda: window.status.residual.value() == "1.2 px", timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: window.status.latency.value().endswith(" ms"), timeout=PATIENCE_MS)
    assert window.status.source.value() == "Fake"
    assert window.status.picture.value() == "320 × 240 @ 60"  # noqa: RUF001
    assert window.status.lens.value() == "62° assumed"
    assert window.status.renderer.value() == "Software"
    assert window.pane_area.message_text == ""
    assert is_drawn(window.mesh.widget.grab().toImage())


def test_no_hand_hint_is_shown_until_a_hand_is_found(qtbot: QtBot, open_window: Open) -> None:
    hand = threading.Event()
    path = FakePath(lambda frame: found(frame) if hand.is_set() else nothing(frame))
    window = open_window(paths={"ik": lambda: path})
    qtbot.waitUntil(lambda: window.picture.hint_text == NO_HAND_HINT, timeout=PATIENCE_MS)
    hand.set()
    qtbot.waitUntil(lambda: window.picture.hint_text == "", timeout=PATIENCE_MS)


def test_unplugged_camera_is_reported_and_resumes_when_it_is_back(qtbot: QtBot, open_window: Open) -> None:
    camera = FakeSource(live=True, forever=True, name="USB Camera")
    window = open_window(camera)
    wait_for_result(qtbot, window)
    camera.plugged.clear()
    qtbot.waitUntil(lambda: window.pane_area.message_text.startswith("The camera is gone"), timeout=PATIENCE_MS)
    assert "USB Camera gives no picture; check its cable." in window.pane_area.message_text
    camera.plugged.set()
    qtbot.waitUntil(lambda: window.pane_area.message_text == "", timeout=PATIENCE_MS)
    wait_for_result(qtbot, window)


def test_unreadable_file_is_reported_and_shown_once_it_is_readable(
    qtbot: QtBot, open_window: Open, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"damaged")
    window = open_window(VideoSource(path, loop=True))
    qtbot.waitUntil(lambda: "clip.mp4 cannot be read as a video" in window.pane_area.message_text, timeout=PATIENCE_MS)
    write_clip(path)
    wait_for_result(qtbot, window)


def test_end_of_file_offers_to_play_again(qtbot: QtBot, open_window: Open) -> None:
    source = FakeSource([plain_image()] * 5, name="short.mp4")
    window = open_window(source)
    qtbot.waitUntil(lambda: window.pane_area.message_text.startswith("The end"), timeout=PATIENCE_MS)
    click(qtbot, window, "Play again")
    qtbot.waitUntil(lambda: source.opened == 2, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: window.pane_area.message_text.startswith("The end"), timeout=PATIENCE_MS)


def test_end_of_a_damaged_file_shows_how_many_frames_were_read(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", [plain_image(40 + 4 * index) for index in range(40)])
    spoil_frames(clip, 10, 15)
    window = open_window(VideoSource(clip))
    qtbot.waitUntil(lambda: window.pane_area.message_text.startswith("The end"), timeout=PATIENCE_MS)
    assert "clip.mp4 declares 40 frames, of which 35 could be read" in window.pane_area.message_text
    assert "frames 10 to 14 cannot be read" in window.pane_area.notice_text


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_network_camera_is_opened_from_the_source_menu_and_its_password_is_never_shown(
    qtbot: QtBot, open_window: Open, tmp_path: Path, theme: Theme
) -> None:
    settings = tmp_path / "settings.json"
    window = open_window(settings_file=settings, theme=theme.name)
    camera = PhoneCamera()
    address = camera.address("locked?token=geheim", user="me:geheim@")

    dialog_state: list[str] = []

    def type_the_address() -> None:
        dialog = window.findChild(QInputDialog)
        if dialog is not None:
            background = dialog.grab().toImage().pixelColor(2, 2).name()
            dialog_state.extend((dialog.labelText(), dialog.textValue(), background))
            dialog.setTextValue(f" {address} ")
            dialog.accept()

    QTimer.singleShot(200, type_the_address)
    (open_address,) = (action for action in window.actions() if "network camera" in action.text())
    open_address.trigger()
    label, proposed, background = dialog_state
    assert "rtsp://" in label
    assert (proposed, background) == ("http://", theme.window)  # so that text in the theme's colour is readable on it
    public = f"http://127.0.0.1:{camera.port}/locked"
    qtbot.waitUntil(lambda: window.status.source.value() == public, timeout=PATIENCE_MS)
    wait_for_result(qtbot, window)
    camera.close()
    qtbot.waitUntil(lambda: "There is no video at " in window.pane_area.message_text, timeout=PATIENCE_MS)
    shown = [window.windowTitle(), window.pane_area.message_text, window.pane_area.notice_text]
    for widget in window.findChildren(QWidget):
        shown += [widget.windowTitle(), widget.toolTip(), widget.accessibleName()]
        shown += [widget.text()] if isinstance(widget, QLabel | QPushButton) else []
    assert any(public in text for text in shown)
    assert not [text for text in shown if "geheim" in text]
    window.close()
    assert "geheim" not in settings.read_text()


def test_unknown_source_is_reported_in_the_picture_area(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.choose("no such thing")
    qtbot.waitUntil(lambda: "called 'no such thing'" in window.pane_area.message_text, timeout=PATIENCE_MS)


def test_frame_in_progress_during_a_change_of_source_is_never_shown(qtbot: QtBot, open_window: Open) -> None:
    free, in_progress = threading.Event(), threading.Event()
    free.set()

    def behave(frame: Frame) -> PathResult:
        if not free.is_set():
            in_progress.set()
            free.wait(PATIENCE_MS / 1e3)
        return found(frame)

    window = open_window(paths={"ik": lambda: FakePath(behave)})
    wait_for_result(qtbot, window)
    free.clear()
    qtbot.waitUntil(in_progress.is_set, timeout=PATIENCE_MS)
    window.choose("no such thing")
    qtbot.waitUntil(lambda: "'no such thing'" in window.pane_area.message_text, timeout=PATIENCE_MS)
    with qtbot.assertNotEmitted(window.result_shown, wait=500):
        free.set()
        window.pipeline.redraw()
    assert window.joined is None
    window.show_source(ChosenSource(FakeSource(forever=True)))
    wait_for_result(qtbot, window)


def test_note_about_the_source_is_shown_over_the_picture(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(note="No camera was found, so the demo clip plays.")
    assert window.pane_area.notice_text == "No camera was found, so the demo clip plays."
    wait_for_result(qtbot, window)
    (notice,) = (label for label in window.pane_area.findChildren(QLabel) if label.text().startswith("No camera"))
    for pane in window.pane_area.shown_panes:
        heading = pane.heading.mapTo(window.pane_area, pane.heading.rect().bottomLeft())
        assert notice.geometry().top() > heading.y()  # titles and switches stay free


def test_path_that_raises_is_reported_while_pictures_continue_and_recovers(qtbot: QtBot, open_window: Open) -> None:
    broken = threading.Event()
    broken.set()

    def behave(frame: Frame) -> PathResult:
        if broken.is_set():
            raise DetectorError("The hand detector stopped; it is started again.")
        return found(frame)

    window = open_window(paths={"ik": lambda: FakePath(behave)})
    qtbot.waitUntil(
        lambda: window.picture.hint_text == "The hand detector stopped; it is started again.", timeout=PATIENCE_MS
    )
    qtbot.waitUntil(lambda: is_gray(window.picture.grab().toImage(), 90), timeout=PATIENCE_MS)
    broken.clear()
    wait_for_result(qtbot, window)
    qtbot.waitUntil(lambda: window.picture.hint_text == "", timeout=PATIENCE_MS)


def is_gray(image: QImage, value: int) -> bool:
    color = image.pixelColor(image.width() // 4, image.height() // 2)
    return (color.red(), color.green(), color.blue()) == (value, value, value)


def test_source_switched_many_times_shows_the_last(qtbot: QtBot, open_window: Open) -> None:
    sources = [FakeSource(forever=True, name=f"Fake {number}", live=number % 3 == 0) for number in range(50)]
    window = open_window()
    for number, source in enumerate(sources):
        window.show_source(ChosenSource(source))
        if number % 10 == 0:
            wait_for_result(qtbot, window)
    wait_for_result(qtbot, window)
    qtbot.waitUntil(lambda: window.status.source.value() == "Fake 49", timeout=PATIENCE_MS)
    assert not any(source.is_open for source in sources[:-1])


def test_closed_while_the_path_is_starting(open_window: Open) -> None:
    starting = threading.Event()

    def make_slowly() -> FakePath:
        starting.set()
        threading.Event().wait(0.3)
        return FakePath()

    window = open_window(paths={"ik": make_slowly})
    assert starting.wait(20)
    window.close()


def test_closed_in_the_middle_closes_source_and_path(qtbot: QtBot, open_window: Open) -> None:
    source, path = FakeSource(forever=True), FakePath()
    window = open_window(source, {"ik": lambda: path})
    wait_for_result(qtbot, window)
    window.close()
    assert not source.is_open
    assert path.closed == 1


def test_mirrored_picture_swaps_the_label_but_not_the_result(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(mirror=True)
    wait_for_result(qtbot, window)
    assert label_of(window).startswith("Left hand")
    joined = window.joined
    assert joined is not None
    assert joined.frame.mirrored
    assert joined.results["ik"].states[0].side == "right"
    window.bar.mirror.click()
    qtbot.waitUntil(lambda: label_of(window).startswith("Right hand"), timeout=PATIENCE_MS)


def label_of(window: MainWindow) -> str:
    display = window.pane_area.shown_panes[0].display
    return "" if display is None else display.picture.drawings[0].label


def test_cameras_are_mirrored_by_default_and_files_are_not(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    assert not window.pipeline.mirror
    window.show_source(ChosenSource(FakeSource(live=True, forever=True), is_camera=True))
    assert window.pipeline.mirror
    assert window.bar.mirror.isChecked()
    wait_for_result(qtbot, window)


def test_mesh_turns_zooms_and_resets(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(FakeSource([plain_image()]))
    wait_for_result(qtbot, window)
    qtbot.waitUntil(lambda: window.pipeline.source_state.phase is SourcePhase.ENDED, timeout=PATIENCE_MS)
    view = window.mesh
    assert isinstance(view, SoftwareMeshView)
    before = view.grab().toImage()
    middle = view.rect().center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(view, middle + QPoint(80, 30))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(80, 30))
    assert view.orbit.azimuth_rad < 0.0 < view.orbit.elevation_rad
    # although no frame comes any more, the path's thread draws the hand from the new side
    qtbot.waitUntil(lambda: view.grab().toImage() != before, timeout=PATIENCE_MS)
    wheel = QWheelEvent(
        QPointF(middle),
        QPointF(view.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    qtbot.app.sendEvent(view, wheel) if hasattr(qtbot, "app") else view.event(wheel)
    key = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier)
    view.event(key)
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=middle)
    assert view.orbit == Orbit()
    qtbot.waitUntil(lambda: view.grab().toImage() == before, timeout=PATIENCE_MS)


def test_themes_color_the_window(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    wait_for_result(qtbot, window)
    for theme in (LIGHT, DARK):
        window.set_theme(theme)
        color = window.grab().toImage().pixelColor(3, 3)
        assert (color.red(), color.green(), color.blue()) == rgb(theme.window)


def test_theme_is_applied_to_every_part_of_the_window_and_to_later_widgets(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    hidden = [dock for dock in window.findChildren(QDockWidget) if not dock.isVisible()]
    window.set_theme(LIGHT)
    sheet = style_sheet(LIGHT)
    assert window.centralWidget().styleSheet() == window.statusBar().styleSheet() == sheet
    # styling all of them at once would block the window
    assert not all(dock.styleSheet() == sheet for dock in hidden)
    qtbot.waitUntil(lambda: all(dock.styleSheet() == sheet for dock in hidden), timeout=PATIENCE_MS)
    later = QLabel("later", window)
    later.show()
    assert later.styleSheet() == sheet
    dialog = ShortcutsDialog(window)
    dialog.show()
    color = dialog.grab().toImage().pixelColor(3, 3)
    assert (color.red(), color.green(), color.blue()) == rgb(LIGHT.window)


def test_closed_list_of_shortcuts_leaves_no_dialog_behind(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    (action,) = (action for action in window.actions() if action.shortcut().toString() == "?")

    def close() -> None:
        dialog = window.findChild(ShortcutsDialog)
        assert dialog is not None
        dialog.accept()

    QTimer.singleShot(0, close)
    action.trigger()
    qtbot.waitUntil(lambda: window.findChild(ShortcutsDialog) is None, timeout=PATIENCE_MS)


def test_output_mode_is_the_one_that_was_chosen_last(open_window: Open) -> None:
    window = open_window(paths={"network": FakePath, "ik": FakePath}, output_mode=OutputMode.NETWORK)
    assert window.output_mode is OutputMode.NETWORK
    window.output_panel.mode.setCurrentIndex(list(MODE_NAMES).index(OutputMode.IK))
    assert window.output_mode is OutputMode.IK


def test_system_theme_is_followed_until_the_user_chooses_a_theme(
    qtbot: QtBot, open_window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(theme="system")
    for theme in (LIGHT, DARK):
        monkeypatch.setattr("app.ui.window.main_window.system_theme", lambda theme=theme: theme)
        window.follow_system_theme()
        assert window.theme is theme
    window.bar.theme.click()
    assert window.theme is LIGHT
    window.follow_system_theme()
    assert window.theme is LIGHT


def test_pictures_that_change_their_size_are_shown(qtbot: QtBot, open_window: Open) -> None:
    sizes = ((240, 320), (480, 640), (300, 200))
    images = [np.full((*size, 3), 60, np.uint8) for size in sizes]
    window = open_window(FakeSource(images, forever=True, frames_per_second=30))
    seen = set()
    for _ in range(30):
        wait_for_result(qtbot, window)
        assert window.joined is not None
        seen.add(window.joined.frame.image_rgb.shape[:2])
        if len(seen) == len(sizes):
            return
    pytest.fail(f"only {seen} were shown")


def test_held_picture_is_shown_with_its_size(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    image = np.full((400, 200, 3), 120, np.uint8)
    window = open_window(PictureSource(write_picture(tmp_path / "tall.png", image), hold=True))
    wait_for_result(qtbot, window)
    qtbot.waitUntil(lambda: window.status.picture.value().startswith("200 × 400"), timeout=PATIENCE_MS)  # noqa: RUF001


def test_every_control_has_a_name_for_screen_readers(open_window: Open) -> None:
    window = open_window()
    for widget in (window.picture, window.mesh.widget, window.bar.source, window.bar.theme):
        assert widget.accessibleName()
        assert widget.toolTip() or widget.accessibleDescription()
    assert window.status.rate.accessibleName() == "Frames/s"


def test_screenshot_is_saved_and_the_window_closes(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    shot = Screenshot(
        window, window.result_shown, lambda: window.pane_area.message_text, tmp_path / "images" / "window.png", frames=3
    )
    qtbot.waitUntil(lambda: shot.saved, timeout=PATIENCE_MS)
    assert QImage(str(tmp_path / "images" / "window.png")).width() == window.width()
    assert not window.isVisible()


def test_window_closes_although_the_screenshot_cannot_be_saved(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    window = open_window()
    shot = Screenshot(
        window, window.result_shown, lambda: window.pane_area.message_text, tmp_path / "images" / "window.png", frames=3
    )
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE_MS)
    assert not shot.saved


def test_window_closes_after_the_requested_number_of_results(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    after_results(window.result_shown, 3, window.close)
    wait_for_result(qtbot, window)
    assert window.isVisible()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE_MS)


def test_source_options_apply_to_later_sources(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window(source_options=SourceOptions(loop=True))
    window.choose(str(write_clip(tmp_path / "clip.mp4", frames=3)))
    for _ in range(6):  # more than the clip has
        wait_for_result(qtbot, window)


def test_message_has_room_for_its_whole_sentence(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    wait_for_result(qtbot, window)
    window.choose("no such thing")
    qtbot.waitUntil(lambda: "called 'no such thing'" in window.pane_area.message_text, timeout=PATIENCE_MS)
    card = window.pane_area.findChild(MessageCard)
    assert card is not None

    def is_whole() -> bool:
        labels = [label for label in card.findChildren(QLabel) if label.text()]
        return len(labels) == 2 and all(label.height() >= label.heightForWidth(label.width()) for label in labels)

    qtbot.waitUntil(is_whole, timeout=PATIENCE_MS)


def test_window_fits_a_small_screen_with_any_panel_open(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(size=(1280, 720))
    for dock in window.findChildren(QDockWidget):
        dock.setVisible(True)
        dock.raise_()
        wait_for_result(qtbot, window)
        assert window.height() == 720, dock.windowTitle()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[CameraInfo]:
    """The list of fake cameras; only number 2 lists its formats."""
    cameras = [CameraInfo(0, "Laptop Camera"), CameraInfo(2, "USB Camera")]
    monkeypatch.setattr("app.ui.window.camera_monitor.list_cameras", lambda: tuple(cameras))
    formats = CameraFormat(640, 480, 30.0), CameraFormat(1280, 720, 60.0)
    monkeypatch.setattr("app.ui.window.camera_monitor.camera_formats", lambda index: formats if index == 2 else ())
    return cameras


def lines_of(window: MainWindow) -> list[str]:
    """The cameras in the source menu."""
    menu = window.bar.source.menu()
    assert menu is not None
    lines = [action.text() for action in menu.actions()]
    return lines[1 : lines.index("")]


def test_menu_lists_cameras_with_their_own_formats(
    qtbot: QtBot, open_window: Open, plugged: list[CameraInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[tuple[str | None, SourceOptions]] = []

    def choose(text: str | None, source_options: SourceOptions) -> ChosenSource:
        requested.append((text, source_options))
        camera = FakeSource(forever=True, live=True, name="USB Camera", frames_per_second=60.0)
        return ChosenSource(camera, is_camera=True)

    monkeypatch.setattr("app.ui.window.main_window.choose_source", choose)
    window = open_window(source_options=SourceOptions(loop=True))
    menu = window.bar.source.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    qtbot.waitUntil(lambda: lines_of(window) == ["Laptop Camera", "USB Camera"], timeout=PATIENCE_MS)
    laptop, usb = menu.actions()[1:3]
    qtbot.waitUntil(lambda: menu.actions()[2].menu() is not None, timeout=PATIENCE_MS)
    usb = menu.actions()[2]
    assert laptop.menu() is None  # its formats are not listed, so it has no submenu
    formats = usb.menu()
    assert formats is not None
    assert [action.text() for action in formats.actions() if action.text()] == [
        "Usual size and rate",
        "640 × 480, 30 frames/s",  # noqa: RUF001
        "1280 × 720, 60 frames/s",  # noqa: RUF001
    ]
    formats.actions()[-1].trigger()
    assert requested == [("2", SourceOptions((1280, 720), 60.0, loop=True))]


def test_camera_that_is_plugged_in_is_listed_and_announced(
    qtbot: QtBot, open_window: Open, plugged: list[CameraInfo]
) -> None:
    window = open_window()
    watch = window.bar.source.watch
    watch.search()
    qtbot.waitUntil(lambda: lines_of(window) == ["Laptop Camera", "USB Camera"], timeout=PATIENCE_MS)
    assert window.pane_area.notice_text == ""
    plugged.append(CameraInfo(4, "Desk Camera"))
    qtbot.waitUntil(lambda: watch.search() is None and "Desk Camera" in lines_of(window), timeout=PATIENCE_MS)
    assert window.pane_area.notice_text == "Desk Camera was plugged in; choose it as the source."
    plugged.clear()
    qtbot.waitUntil(lambda: watch.search() is None and lines_of(window) == [], timeout=PATIENCE_MS)


def test_guide_is_shown_only_at_the_first_start(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window(settings_file=tmp_path / "settings.json")
    guide = window.findChild(Guide)
    assert guide is not None
    assert guide.isVisible()
    wait_for_result(qtbot, window)  # results are still shown behind the guide
    guide.close_button.click()
    assert not guide.isVisible()
    window.close()
    again = open_window(settings_file=tmp_path / "settings.json")
    guide = again.findChild(Guide)
    assert guide is not None
    assert not guide.isVisible()
    (action,) = (action for action in again.actions() if action.text() == "First steps")
    action.trigger()
    assert guide.isVisible()


def test_camera_held_by_another_program_is_reported_and_shown_once_it_is_free(qtbot: QtBot, open_window: Open) -> None:
    camera = FakeSource(live=True, forever=True, name="USB Camera")
    camera.plugged.clear()  # it refuses to open, as one that another program holds
    window = open_window(camera)
    qtbot.waitUntil(
        lambda: window.pane_area.message_text.startswith("This source cannot be shown"), timeout=PATIENCE_MS
    )
    camera.plugged.set()
    wait_for_result(qtbot, window)
    assert window.pane_area.message_text == ""


def test_damaged_frames_are_left_out_with_a_notice(qtbot: QtBot, open_window: Open) -> None:
    damaged = [np.zeros((0, 0, 3), np.uint8), np.zeros((240, 320), np.uint8), np.full((240, 320, 3), np.nan)]
    window = open_window(FakeSource([plain_image(), *damaged], forever=True, name="clip.mp4"))
    for _ in range(5):
        wait_for_result(qtbot, window)
        assert window.joined is not None
        assert window.joined.frame.image_rgb.shape == (240, 320, 3)
    qtbot.waitUntil(lambda: window.pane_area.notice_text == "clip.mp4 gave a damaged picture.", timeout=PATIENCE_MS)
    assert window.pipeline.path_state("ik").failures == 0


def test_repeated_notice_is_shown_again_but_repeated_source_warning_is_not(qtbot: QtBot, open_window: Open) -> None:
    damaged = np.zeros((0, 0, 3), np.uint8)
    window = open_window(FakeSource([plain_image(), damaged], forever=True, name="clip.mp4"))
    qtbot.waitUntil(lambda: window.pane_area.notice_text == "clip.mp4 gave a damaged picture.", timeout=PATIENCE_MS)
    window.pane_area.notice("")  # as when the notice expires
    window.set_enabled("ik", False)  # so that there is another message
    qtbot.waitUntil(lambda: window.pipeline.path_state("ik").phase is PathPhase.DISABLED, timeout=PATIENCE_MS)
    qtbot.wait(200)
    assert window.pane_area.notice_text == ""
    for _ in range(2):
        window.notify("Nothing can be kept.")
        assert window.pane_area.notice_text == "Nothing can be kept."
        window.pane_area.notice("")


@pytest.mark.parametrize("moment", ["open", "read", "close", "engine"])
def test_hanging_source_or_engine_does_not_block_the_window(qtbot: QtBot, open_window: Open, moment: str) -> None:
    """While a driver or an engine does not return, the window still paints, handles events and closes."""
    hangs, release = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        release.wait()

    class HangingSource(FakeSource):
        def open(self) -> SourceFacts:
            if moment == "open":
                hang()
            return super().open()

        def close(self) -> None:
            if moment == "close" and self.is_open:
                hang()
            super().close()

    def make_path() -> FakePath:
        if moment == "engine":
            hang()
        return FakePath()

    source = HangingSource(forever=True, name="Stubborn", on_read=hang if moment == "read" else None)
    window = open_window(source, {"ik": make_path})
    try:
        if moment == "close":
            wait_for_result(qtbot, window)
            window.show_source(ChosenSource(FakeSource(forever=True, name="Other")))
        qtbot.waitUntil(hangs.is_set, timeout=PATIENCE_MS)
        window.show_source(ChosenSource(FakeSource(forever=True, name="Last")))
        for theme in (LIGHT, DARK):  # the thread of the window still paints
            window.set_theme(theme)
            color = window.grab().toImage().pixelColor(3, 3)
            assert (color.red(), color.green(), color.blue()) == rgb(theme.window)
        fired: list[bool] = []
        QTimer.singleShot(0, lambda: fired.append(True))
        qtbot.waitUntil(lambda: bool(fired), timeout=PATIENCE_MS)
        if moment != "engine":  # the next source does not wait for the one that hangs
            qtbot.waitUntil(
                lambda: window.joined is not None and window.joined.frame.source_id == "Last", timeout=PATIENCE_MS
            )
        assert window.close()  # closing does not wait either
        assert not release.is_set()
    finally:
        release.set()
