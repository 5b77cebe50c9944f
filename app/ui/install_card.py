"""A card in the place of what needs an optional part: what it costs, and its installation at one click."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.optional_parts.installation import InstallPhase
from app.ui.part_installer import PartInstaller
from app.ui.theme.style_sheet import SPACING_PX

_BAR_STEPS = 1000
_DIALOG_WIDTH_PX = 460


class InstallCard(QFrame):
    """Offers a part, shows its installation and the result; hidden once the part is there."""

    def __init__(self, installer: PartInstaller, title: str) -> None:
        """Shows where the installation stands.

        Args:
            installer: of the part; several cards may share one.
            title: what needs the part, in a few words.
        """
        super().__init__()
        self.setObjectName("message")
        self._installer = installer
        part = installer.part
        self.title = _label(title, "messageTitle")
        self.text = _label(f"{part.purpose} {part.cost.describe()} The live view goes on meanwhile.", "messageText")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setRange(0, _BAR_STEPS)
        self.progress.setAccessibleName(f"Installation of the {part.title}")
        self.status = _label("", "small")
        self.problem = _label("", "warningText")
        self.install = QPushButton(f"Install the {part.title}")
        self.install.setObjectName("primary")
        self.cancel = QPushButton("Cancel")
        self.command = _label(f"Or in a terminal, in the program's folder:\n{part.command}", "small")
        self.command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (self.problem, self.status):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QHBoxLayout()
        for button in (self.install, self.cancel):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACING_PX + 4,) * 4)
        layout.setSpacing(SPACING_PX - 2)
        for widget in (self.title, self.text, self.problem, self.progress, self.status):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.command)
        self.install.clicked.connect(lambda _checked: installer.start())
        self.cancel.clicked.connect(lambda _checked: installer.cancel())
        installer.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Shows the state of the installation as it is now."""
        state = self._installer.state
        phase = None if state is None else state.phase
        running = phase is InstallPhase.RUNNING
        self.install.setVisible(not running)
        self.install.setText(
            f"Install the {self._installer.part.title}" if phase is not InstallPhase.FAILED else "Try again"
        )
        self.cancel.setVisible(running)
        self.command.setVisible(not running)
        self.progress.setVisible(running)
        self.status.setVisible(running or phase is InstallPhase.CANCELLED)
        self.problem.setVisible(phase is InstallPhase.FAILED)
        if state is None:
            return
        if phase is InstallPhase.FAILED:
            self.problem.setText(state.text)
        else:
            self.status.setText(state.text)
        # without a share the bar moves to and fro
        self.progress.setRange(0, 0 if state.share is None else _BAR_STEPS)
        if state.share is not None:
            self.progress.setValue(round(state.share * _BAR_STEPS))
        if phase is InstallPhase.DONE:
            self.hide()


class InstallDialog(QDialog):
    """The card in a window of its own, for tools without a panel; closing it lets the installation go on."""

    def __init__(self, installer: PartInstaller, title: str, parent: QWidget) -> None:
        """Starts hidden.

        Args:
            installer: of the part.
            title: what needs the part, in a few words.
            parent: over which window it opens.
        """
        super().__init__(parent)
        self.setWindowTitle("Optional part")
        self.setFixedWidth(_DIALOG_WIDTH_PX)
        self.card = InstallCard(installer, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACING_PX,) * 4)
        layout.addWidget(self.card)
        installer.installed.connect(self.accept)
        installer.changed.connect(self._fit)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Takes the height that the card's sentences need."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        layout = self.layout()
        assert layout is not None
        layout.invalidate()
        self.setFixedHeight(layout.totalHeightForWidth(_DIALOG_WIDTH_PX))


def _label(text: str, name: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(True)
    policy = label.sizePolicy()
    policy.setVerticalPolicy(QSizePolicy.Policy.Minimum)
    label.setSizePolicy(policy)
    return label
