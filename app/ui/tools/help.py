"""Help for the user: the list of shortcuts, the log, and text about this session for a report."""

from __future__ import annotations

import logging

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QAction, QGuiApplication, QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.diagnostics import LogMemory, diagnostics_text
from app.ui.extension_host import ExtensionHost
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.form_helpers import button, panel_layout, styled
from app.ui.widgets.visibility import is_seen

COPIED_SENTENCE = "Diagnostics are in the clipboard; paste them into your report."

_LOOK_EVERY_MS = 500


def shortcuts_of(actions: list[QAction]) -> list[tuple[str, str]]:
    """Keys and what they do, sorted: single keys first."""
    found = {
        action.shortcut().toString(QKeySequence.SequenceFormat.NativeText): action.text().replace("&", "")
        for action in actions
        if not action.shortcut().isEmpty() and action.text()
    }
    return sorted(found.items(), key=lambda pair: (len(pair[0]), pair[0]))


class ShortcutsDialog(QDialog):
    """All shortcuts, in two columns."""

    def __init__(self, host: ExtensionHost) -> None:
        # a child of a part of the window has that part's colours and fonts already while it is measured
        super().__init__(host.overlay_area)
        self.setWindowTitle("Shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # each request makes another one
        self.setObjectName("body")  # for the background of the window
        body = QWidget()
        body.setObjectName("body")
        grid = QGridLayout(body)
        grid.setHorizontalSpacing(SPACING_PX)
        grid.setVerticalSpacing(8)
        pairs = shortcuts_of(host.key_actions())
        rows = -(-len(pairs) // 2)
        for index, (keys, text) in enumerate(pairs):
            key = styled(keys, "metricValue")
            key.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            column = 3 * (index // rows)
            grid.addWidget(key, index % rows, column)
            grid.addWidget(QLabel(text), index % rows, column + 1)
        grid.setColumnMinimumWidth(2, 2 * SPACING_PX)
        scroll = QScrollArea()
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setWidget(body)
        close = QPushButton("Close")
        close.setObjectName("primary")
        close.clicked.connect(lambda _checked: self.accept())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(2 * SPACING_PX,) * 4)
        layout.addWidget(scroll, 1)
        layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignRight)
        size = body.sizeHint()
        self.resize(min(size.width() + 80, 900), min(size.height() + 120, 640))


class LogPanel(QWidget):
    """The last lines of the log, and a button to copy the diagnostics."""

    def __init__(self, host: ExtensionHost, memory: LogMemory) -> None:
        """Shows nothing until it is visible.

        Args:
            host: the window that the diagnostics describe.
            memory: the log.
        """
        super().__init__()
        self._host = host
        self._memory = memory
        self._shown = -1
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.text.setAccessibleName("Log")
        self.copy_button = button(
            "Copy diagnostics", "Versions, machine, source, paths and log as text for a report", self.copy
        )
        line = QHBoxLayout()
        line.addStretch()
        line.addWidget(self.copy_button)
        layout = panel_layout(self)
        layout.addWidget(self.text, 1)
        layout.addLayout(line)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(_LOOK_EVERY_MS)

    def stop(self) -> None:
        self._timer.stop()

    def refresh(self) -> None:
        """Shows new lines, when it is visible and there are any."""
        if is_seen(self) and self._memory.count != self._shown:
            self._shown = self._memory.count
            self.text.setPlainText("\n".join(self._memory.lines()) or "Nothing to report.")
            bar = self.text.verticalScrollBar()
            if bar is not None:
                bar.setValue(bar.maximum())

    def copy(self) -> None:
        """Puts the diagnostics into the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            network = self._host.options.live_network
            runs_on = "" if network is None else network.runs_on
            clipboard.setText(
                diagnostics_text(self._host.pipeline, self._host.renderer_description, self._memory, runs_on)
            )
            self._host.notify(COPIED_SENTENCE)


def install_help(host: ExtensionHost) -> None:
    """Adds the list of shortcuts, the log, and the diagnostics."""
    memory = LogMemory()
    logging.getLogger().addHandler(memory)
    host.closing.connect(lambda: logging.getLogger().removeHandler(memory))
    panel = LogPanel(host, memory)
    host.add_panel("Log", panel, shortcut="Ctrl+G")
    host.closing.connect(panel.stop)
    host.add_tool("Copy diagnostics", panel.copy, help_text="Text about this session for a report")
    host.add_tool(
        "Shortcuts…", lambda: ShortcutsDialog(host).exec(), shortcut="?", help_text="List all keyboard shortcuts"
    )
