"""The first steps, shown over the panes at the first start and on request."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.ui.extension_host import ExtensionHost
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.form_helpers import styled, wrapped

STEPS = (
    ("Choose a source", "A camera, a video, a folder of pictures or the demo clip, at the upper left."),
    (
        "Hold one hand up",
        "Half a metre from the camera, all of it in view. Two methods follow it on the same frame: "
        "a trained network, and MediaPipe with inverse kinematics.",
    ),
    ("Look around", "Drag a 3D view to turn it, scroll to zoom. Keys 1 to 6 change the view."),
    ("Compare the paths", "The badge OUTPUT marks the hand that counts; the panel Comparison shows how they differ."),
)

_WIDTH_PX = 470


class Guide(QFrame):
    """A card in the middle of a widget; hidden until :meth:`open`."""

    source_requested = pyqtSignal()
    """Emitted when the user has read it and opens the list of sources."""

    def __init__(self, over: QWidget) -> None:
        """Starts hidden.

        Args:
            over: stays in the middle of this widget.
        """
        super().__init__(over)
        self.was_read = False
        """Whether the user has closed it, at this start or an earlier one."""
        self.setObjectName("message")
        self.setAccessibleName("First steps")
        self._over = over
        title = styled("First steps", "messageTitle")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        steps = QGridLayout()
        steps.setHorizontalSpacing(14)
        steps.setVerticalSpacing(3)
        steps.setColumnStretch(1, 1)
        for index, (heading, text) in enumerate(STEPS):
            number = styled(str(index + 1), "messageTitle")
            steps.addWidget(number, 3 * index, 0, 2, 1, Qt.AlignmentFlag.AlignTop)
            steps.addWidget(styled(heading, "paneTitle"), 3 * index, 1)
            steps.addWidget(wrapped(text, "messageText"), 3 * index + 1, 1)
            steps.setRowMinimumHeight(3 * index + 2, 6)
        self.close_button = QPushButton("Let's go")
        self.close_button.setObjectName("primary")
        self.source_button = QPushButton("Choose a source")
        self.close_button.clicked.connect(lambda _checked: self.dismiss())
        self.source_button.clicked.connect(lambda _checked: self._choose())
        QShortcut(QKeySequence("Esc"), self, self.dismiss)  # while it is shown, wherever the focus is
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(styled("? lists all keys", "small"))
        line.addStretch()
        line.addWidget(self.source_button)
        line.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(2 * SPACING_PX,) * 4)
        layout.setSpacing(12)
        layout.addWidget(title)
        layout.addLayout(steps)
        layout.addLayout(line)
        self.hide()
        over.installEventFilter(self)

    def open(self) -> None:
        self.show()
        self._arrange()
        self.close_button.setFocus()

    def restore(self, was_read: bool) -> None:
        """Opens it for a user who has not read it."""
        self.was_read = was_read
        if not was_read:
            self.open()

    def dismiss(self) -> None:
        self.hide()
        self.was_read = True

    def event(self, event: QEvent | None) -> bool:
        """Fits the height again when the texts get another font, as the theme's at the start."""
        done = super().event(event)
        if event is not None and event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            self._arrange()
        return done

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keeps the card centred when the area below it is resized."""
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            self._arrange()
        return super().eventFilter(watched, event)

    def _choose(self) -> None:
        self.dismiss()
        self.source_requested.emit()

    def _arrange(self) -> None:
        self.setFixedWidth(min(_WIDTH_PX, max(240, self._over.width() - 2 * SPACING_PX)))
        self.adjustSize()
        self.move((self._over.width() - self.width()) // 2, (self._over.height() - self.height()) // 2)
        self.raise_()


def install_guide(host: ExtensionHost) -> None:
    """Adds the first steps to the tools; the settings decide whether they are shown at the start."""
    guide = Guide(host.overlay_area)
    guide.source_requested.connect(host.show_source_menu)
    host.add_tool("First steps", guide.open, shortcut="F1", help_text="Show the first steps again")
    host.keep_state("guided", lambda: guide.was_read, guide.restore)
