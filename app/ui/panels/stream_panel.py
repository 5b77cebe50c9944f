"""The panel of live streams: those that run, their clients, and how to start another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.outputs.address import StreamAddress, parse_stream_address
from app.outputs.sink import SinkState
from app.outputs.streams import Streams
from app.pipeline.result_synchronizer import JoinedResult
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.form_helpers import change_style, panel_layout, styled, wrapped
from app.ui.widgets.visibility import is_seen
from hand.errors import ConfigError
from hand.model import HandModel

PLACEHOLDER = "udp:9000, osc:9001 or ws:8765,mesh"
NONE_SENTENCE = "Nothing is sent."

_NUMBERS_EVERY_MS = 500
_CLOSE_S = 0.2
_GOODBYE_S = 0.6
"""Clients are notified that a stream ends; one that does not answer is left behind."""


class StreamPanel(QWidget):
    """Owns the streams of the window."""

    refused = pyqtSignal(str)
    """Why a stream could not be started, in a sentence."""

    def __init__(self, model: HandModel) -> None:
        """Starts without a stream.

        Args:
            model: hand model of the poses.
        """
        super().__init__()
        self._model = model
        self._streams: tuple[Streams, ...] = ()
        self._rows: list[_Row] = []
        self._background = BackgroundTasks(self, self._refuse)
        self.field = QLineEdit()
        self.field.setPlaceholderText(PLACEHOLDER)
        self.field.setAccessibleName("Address of a new stream")
        self.field.setToolTip("KIND:[HOST:]PORT[,mesh][,rate=N]; without a host it stays on this machine")
        self.start_button = QPushButton("Start")
        self.start_button.setToolTip("Start a stream to this address")
        self.start_button.clicked.connect(lambda _checked: self._start_from_field())
        self.field.returnPressed.connect(self.start_button.click)  # which does nothing while it is off
        self.message = wrapped(NONE_SENTENCE, "messageText")
        line = QHBoxLayout()
        line.addWidget(self.field, 1)
        line.addWidget(self.start_button)
        self._layout = panel_layout(self)
        self._layout.addWidget(styled("Send the output hand to other programs", "metricName"))
        self._layout.addLayout(line)
        self._layout.addWidget(self.message)
        self._layout.addStretch()
        self._numbers = QTimer(self)
        self._numbers.timeout.connect(self.show_numbers)

    def is_streaming(self) -> bool:
        """Whether a result goes anywhere; may be called from any thread."""
        return bool(self._streams)

    def publish(self, joined: JoinedResult) -> None:
        """Passes a result on to every stream; called in a listener's thread."""
        for streams in self._streams:
            streams.publish(joined)

    def start(self, address: StreamAddress) -> None:
        """Starts a stream in the background: resolving a host may take seconds. Errors are shown here."""
        model = self._model

        def work() -> Streams:
            streams = Streams([address], model)
            streams.open()
            return streams

        self._say(f"Starting {address.describe()} …")
        self._background.start("open-stream", work, partial(self._show_stream, address))
        self._offer()

    def stop(self, row: _Row) -> None:
        row.streams.close()
        self._forget(row)

    def _forget(self, row: _Row) -> None:
        self._streams = tuple(streams for streams in self._streams if streams is not row.streams)
        self._rows.remove(row)
        row.hide()
        row.deleteLater()
        if not self._rows:
            self._numbers.stop()
            self._say(NONE_SENTENCE)

    def close_all(self) -> None:
        """Ends every stream, those too that are only just starting."""
        self._background.wait(_CLOSE_S)
        # all at once: each takes as long as its slowest client
        for number, row in enumerate(self._rows):
            self._background.start(f"close-stream {number}", row.streams.close, lambda _nothing: None)
        self._background.wait(_GOODBYE_S)
        self._background.abandon()
        for row in list(self._rows):
            self._forget(row)

    @property
    def rows(self) -> Sequence[_Row]:
        return tuple(self._rows)

    def show_numbers(self) -> None:
        """Reads the state of every stream."""
        for row in self._rows:
            row.show_state(row.streams.states()[0][1])

    def _start_from_field(self) -> None:
        try:
            address = parse_stream_address(self.field.text())
        except ConfigError as error:
            self._say(str(error), warning=True)
            return
        self.start(address)

    def _refuse(self, sentence: str) -> None:
        self._offer()
        self._say(sentence, warning=True)
        self.refused.emit(sentence)

    def _show_stream(self, address: StreamAddress, streams: Streams) -> None:
        """Shows a stream that was opened, and lets frames go there."""
        self._streams = (*self._streams, streams)
        row = _Row(address, streams)
        row.stop_button.clicked.connect(lambda _checked: self.stop(row))
        self._rows.append(row)
        self._layout.insertWidget(self._layout.count() - 2, row)
        self._numbers.start(_NUMBERS_EVERY_MS)
        self.field.clear()
        self._say("")
        self._offer()

    def _offer(self) -> None:
        """Another stream can be started when none is starting."""
        self.field.setReadOnly(self._background.busy)
        self.start_button.setEnabled(not self._background.busy)

    def _say(self, text: str, *, warning: bool = False) -> None:
        change_style(self.message, "warningText" if warning else "messageText")
        self.message.setText(text)
        self.message.setVisible(bool(text))


class _Row(QWidget):
    """One stream."""

    def __init__(self, address: StreamAddress, streams: Streams) -> None:
        super().__init__()
        self.streams = streams
        self.name = styled(address.describe(), "metricValue")
        self.state = wrapped("", "messageText")
        self.stop_button = QPushButton("Stop")
        self.stop_button.setAccessibleName(f"Stop {address.describe()}")
        self.stop_button.setToolTip("End this stream")
        texts = QVBoxLayout()
        texts.setSpacing(1)
        texts.addWidget(self.name)
        texts.addWidget(self.state)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(texts, 1)
        layout.addWidget(self.stop_button)
        self.show_state(SinkState())

    def show_state(self, state: SinkState) -> None:
        """Numbers, or what is wrong."""
        numbers = [f"{state.sent} messages sent"]
        if state.clients is not None:
            numbers.append("1 client" if state.clients == 1 else f"{state.clients} clients")
        if state.dropped_clients:
            numbers.append(f"{state.dropped_clients} too slow and disconnected")
        self.state.setText(state.sentence or ", ".join(numbers))


def install_streams(host: ExtensionHost) -> None:
    """Adds the panel, and starts the streams of the command line."""
    panel = StreamPanel(host.options.model)
    host.add_panel("Streams", panel, shortcut="Ctrl+L")
    host.pipeline.add_listener("streams", panel.publish, enabled=panel.is_streaming)
    host.closing.connect(panel.close_all)
    panel.refused.connect(lambda sentence: None if is_seen(panel) else host.notify(sentence))
    for address in host.options.streams:
        panel.start(address)
