"""The bar under the panes while a file plays: pause, step, seek, speed, loop."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from app.palette import Theme
from app.pipeline.capture_thread import SourcePhase
from app.pipeline.playback import SPEEDS, PlaybackState
from app.ui.extension_host import ExtensionHost
from app.ui.theme.icons import ICON_SIZE, icon
from app.ui.widgets.button_focus import press_focused_or

_LOOK_EVERY_MS = 100


class PlaybackBar(QWidget):
    """Shows the position in a file and its controls; hidden while a camera runs."""

    def __init__(self, host: ExtensionHost) -> None:
        """Follows the window's source from now on."""
        super().__init__()
        self._host = host
        self._playback = host.pipeline.playback
        self._seek_when_open: int | None = None
        self._opened_name = ""
        self._shown_paused = False
        self.play = _button("Pause or go on (Space)")
        self.back = _button("One frame back (,)")
        self.on = _button("One frame on (.)")
        self.loop = _button("Start again at the end")
        self.loop.setCheckable(True)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Place in the file")
        self.slider.setToolTip("Drag to go to another place")
        self.slider.setTracking(True)
        self.place = QLabel()
        self.place.setObjectName("metricValue")
        self.speed = QComboBox()
        self.speed.setAccessibleName("Speed")
        self.speed.setToolTip("Slower or faster than the file's own speed")
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} ×", speed)  # noqa: RUF001 - as factors are written
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for button in (self.back, self.play, self.on):
            layout.addWidget(button)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.place)
        layout.addWidget(self.speed)
        layout.addWidget(self.loop)
        self.play.clicked.connect(lambda _checked: self.toggle_pause())
        self.back.clicked.connect(lambda _checked: self.step(-1))
        self.on.clicked.connect(lambda _checked: self.step(1))
        self.loop.clicked.connect(self._playback.set_loop)
        self.slider.valueChanged.connect(self.seek)
        self.speed.activated.connect(lambda index: self._playback.set_speed(SPEEDS[index]))
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)

    def start(self) -> None:
        """Begins to follow the source."""
        self._timer.start(_LOOK_EVERY_MS)

    def stop(self) -> None:
        self._timer.stop()

    def toggle_pause(self) -> None:
        """Pauses or goes on; at the end it plays again."""
        if self._has_ended():
            self._host.replay()
        elif self._playback.state.seekable:
            self._playback.pause(not self._playback.state.paused)
        self.refresh()

    def step(self, frames: int) -> None:
        """Goes so many frames on, or back; after the end, back from there."""
        state = self._playback.state
        if not state.seekable:
            return
        if self._has_ended():
            self._open_at(max(0, state.length - 1 + min(frames, 0)))
        elif self._seek_when_open is not None:
            self._seek_when_open = max(0, min(self._seek_when_open + frames, state.length - 1))
        else:
            self._playback.step(frames)

    def seek(self, index: int) -> None:
        """Goes to a frame."""
        if self._has_ended():
            self._open_at(index)
        elif self._seek_when_open is not None:
            self._seek_when_open = index  # what the playback is asked for now is dropped when the file is open
        else:
            self._playback.seek(index)

    def refresh(self) -> None:
        """Shows where the file is."""
        self._seek_once_open()
        state = self._playback.state
        self.setEnabled(state.seekable)
        if not self.slider.isSliderDown():
            self.slider.blockSignals(True)
            self.slider.setRange(0, max(state.length - 1, 0))
            self.slider.setValue(max(state.position, 0))
            self.slider.blockSignals(False)
        self.slider.setEnabled(state.length > 1)
        self._show_place(place_text(state))
        if state.speed in SPEEDS:
            self.speed.setCurrentIndex(SPEEDS.index(state.speed))
        self.loop.setChecked(state.loop)
        if (state.paused or self._has_ended()) != self._shown_paused:
            self.set_theme(self._host.theme)

    def set_theme(self, theme: Theme) -> None:
        """Draws the icons in a theme's colours."""
        self._shown_paused = self._playback.state.paused or self._has_ended()
        self.play.setIcon(icon("play" if self._shown_paused else "pause", theme.text))
        self.play.setAccessibleName("Play" if self._shown_paused else "Pause")
        self.back.setIcon(icon("step_back", theme.text))
        self.on.setIcon(icon("step_on", theme.text))
        self.loop.setIcon(icon("loop", theme.text, checked_color=theme.on_accent))

    def _show_place(self, text: str) -> None:
        if text != self.place.text():
            self.place.setText(text)
            # of a fixed size: any other label makes Qt lay out the whole window with every text
            self.place.setFixedSize(self.place.sizeHint().expandedTo(self.place.minimumSize()))

    def _has_ended(self) -> bool:
        return self._host.pipeline.source_state.phase is SourcePhase.ENDED

    def _open_at(self, index: int) -> None:
        self._seek_when_open, self._opened_name = index, self._host.pipeline.source_state.name
        self._host.replay()

    def _seek_once_open(self) -> None:
        """Goes to the frame that the file was opened again for, unless it failed or another source was chosen."""
        if self._seek_when_open is None:
            return
        source = self._host.pipeline.source_state
        if source.name == self._opened_name and source.phase in (SourcePhase.OPENING, SourcePhase.RUNNING):
            if source.frames == 0:
                return  # the playback of the open file begins with its first frame
            self._playback.pause(True)
            self._playback.seek(self._seek_when_open)
        self._seek_when_open = None


def place_text(state: PlaybackState) -> str:
    """Frame and time, such as "12 / 300 · 0:00.4"."""
    if not state.seekable:
        return ""
    frame = max(state.position, 0)
    total = f" / {state.length}" if state.length else ""
    seconds = frame / state.frames_per_second if state.frames_per_second > 0 else 0.0
    return f"{frame + 1}{total} · {int(seconds // 60)}:{seconds % 60:04.1f}"


def _button(explanation: str) -> QPushButton:
    button = QPushButton()
    button.setObjectName("icon")
    button.setToolTip(explanation)
    button.setAccessibleName(explanation.partition(" (")[0])
    button.setIconSize(ICON_SIZE)
    return button


def install_playback(host: ExtensionHost) -> None:
    """Adds the bar, which comes and goes with sources that can be paused, and the tool that turns pictures."""
    bar = PlaybackBar(host)
    dock = host.add_panel("Playback", bar, area=Qt.DockWidgetArea.BottomDockWidgetArea)
    shown_for: list[str] = []

    def follow_source() -> None:
        """Shows the bar for a file and hides it for a camera, once per source: afterwards the user decides."""
        source = host.pipeline.source_state
        if source.phase is SourcePhase.RUNNING and shown_for[-1:] != [source.name]:
            shown_for[:] = [source.name]
            dock.setVisible(host.pipeline.playback.state.seekable)

    host.result_shown.connect(follow_source)
    host.theme_changed.connect(bar.set_theme)
    host.closing.connect(bar.stop)
    bar.start()
    host.pipeline.quarter_turns = host.options.quarter_turns
    host.add_tool("One frame back", partial(bar.step, -1), shortcut=",")
    host.add_tool("One frame on", partial(bar.step, 1), shortcut=".")
    host.rebind_key("Space", "Pause or go on; play again at the end", partial(press_focused_or, bar.toggle_pause))

    def turn() -> None:
        host.pipeline.quarter_turns += 1
        degrees = 90 * host.pipeline.quarter_turns
        host.notify(f"Pictures are turned by {degrees}°." if degrees else "Pictures are shown as they come.")

    host.add_tool("Turn the picture by 90°", turn, shortcut="Shift+R", help_text="For a camera that lies on its side")
