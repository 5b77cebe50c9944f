"""The form of a new training run: the network to begin with, the sessions, and how thoroughly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.networks.library import NetworkEntry
from app.recording.sessions import SessionSummary
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.form_helpers import row, segments, table, wrapped
from trainer.runs.run_folder import RECIPES, FineTuneRequest, Recipe

Role = Literal["learn", "held out", "leave out"]
ROLES: Final[tuple[Role, ...]] = ("learn", "held out", "leave out")

_ROLE_HELP: Final = (
    "Learn: the network is trained on it. Held out: only the report uses it, to measure whether it helped."
)
_RECIPE_HELP: Final[dict[Recipe, str]] = {
    "quick": "The heads alone learn. For a first try.",
    "standard": "The heads and the last blocks of the trunk learn.",
    "thorough": "The whole network learns. For many sessions, over lunch.",
}


class FineTuneForm(QWidget):
    """Lets the user put a request together."""

    started = pyqtSignal()
    """The run is to be started."""

    measure_requested = pyqtSignal()
    """Its duration is to be measured."""

    def __init__(self) -> None:
        super().__init__()
        self.template = FineTuneRequest("", "")
        """Values without a field in the form: the report's size, and differences from the recipe."""
        self._recordings = Path()
        self._listed: list[SessionSummary] = []
        self._may_start = True
        self._chosen: dict[str, Role] = {}  # by the user, by the name of the folder
        self.base = QComboBox()
        self.base.setAccessibleName("Network to begin with")
        self.sessions = table("Sessions", ["Session", "Frames", "Use"], 120)
        self.sessions.setUniformRowHeights(True)
        self.sessions.setToolTip(_ROLE_HELP)
        self.recipes = QButtonGroup(self)
        self.name = QLineEdit()
        self.name.setPlaceholderText("My hand")
        self.name.setAccessibleName("Name of the new network")
        self.notes = QLineEdit()
        self.notes.setPlaceholderText("Anything worth remembering")
        self.notes.setAccessibleName("Notes")
        self.explanation = wrapped("", "small")
        self.measure = QPushButton("How long?")
        self.measure.setToolTip("Makes a few real steps in the background and shows how long the run would take here.")
        self.start = QPushButton("Start teaching")
        self.start.setObjectName("primary")
        self._lay_out()
        self.base.currentIndexChanged.connect(lambda _index: self._show_hints())
        self.recipes.idClicked.connect(lambda _number: self._show_hints())
        self.start.clicked.connect(lambda _checked: self.started.emit())
        self.measure.clicked.connect(lambda _checked: self.measure_requested.emit())
        self._show_hints()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setSpacing(SPACING_PX // 2)
        form.addRow("Begin with", self.base)
        form.addRow("Recipe", self._recipe_buttons())
        form.addRow("Name", self.name)
        form.addRow("Notes", self.notes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.sessions)
        layout.addLayout(form)
        layout.addWidget(self.explanation)
        layout.addLayout(row(self.start, self.measure, fills=False))

    def _recipe_buttons(self) -> QHBoxLayout:
        layout = QHBoxLayout()
        layout.setSpacing(0)
        for number, button in enumerate(segments((recipe.capitalize(), _RECIPE_HELP[recipe]) for recipe in RECIPES)):
            button.setChecked(number == 0)
            self.recipes.addButton(button, number)
            layout.addWidget(button)
        layout.addStretch(1)
        return layout

    def show_networks(self, entries: Sequence[NetworkEntry]) -> None:
        """Offers networks to begin with; the choice stays where it can."""
        chosen = self.base.currentData()
        tunable = [entry for entry in entries if entry.tunable]
        if [self.base.itemData(row) for row in range(self.base.count())] == [entry.folder for entry in tunable]:
            return
        self.base.blockSignals(True)
        self.base.clear()
        for entry in tunable:
            self.base.addItem(entry.title, entry.folder)
        place = self.base.findData(chosen)
        self.base.setCurrentIndex(max(place, 0) if tunable else -1)
        self.base.blockSignals(False)
        self._show_hints()

    def show_sessions(self, recordings: Path, sessions: Sequence[SessionSummary]) -> None:
        """Offers sessions; the user's choice about one stays, and of the others the newest is held out."""
        if recordings == self._recordings and list(sessions) == self._listed:
            return
        self._recordings, self._listed = recordings, list(sessions)
        self.sessions.clear()
        for number, session in enumerate(sessions):
            title = session.title if session.labelled else f"{session.title} (not labelled yet)"
            item = QTreeWidgetItem([title, "" if session.frames is None else str(session.frames)])
            item.setData(0, Qt.ItemDataRole.UserRole, session.folder.name)
            item.setToolTip(0, str(session.folder))
            self.sessions.addTopLevelItem(item)
            role = QComboBox()
            role.addItems([text.capitalize() for text in ROLES])
            default: Role = "held out" if number == len(sessions) - 1 and len(sessions) > 1 else "learn"
            role.setCurrentIndex(ROLES.index(self._chosen.get(session.folder.name, default)))
            role.activated.connect(lambda index, name=session.folder.name: self._chosen.update({name: ROLES[index]}))
            role.currentIndexChanged.connect(lambda _index: self._show_hints())
            role.setAccessibleName(f"Use of {session.title}")
            self.sessions.setItemWidget(item, 2, role)
        self._show_hints()

    def roles(self) -> dict[str, Role]:
        """The use of each session, by the name of its folder: the user's choice, or the default."""
        roles: dict[str, Role] = {}
        for number in range(self.sessions.topLevelItemCount()):
            item = self.sessions.topLevelItem(number)
            assert item is not None
            choice = self.sessions.itemWidget(item, 2)
            assert isinstance(choice, QComboBox)
            roles[str(item.data(0, Qt.ItemDataRole.UserRole))] = ROLES[choice.currentIndex()]
        return roles

    def request(self) -> FineTuneRequest | None:
        """The request; None while something is missing."""
        roles = self.roles()
        learn = tuple(name for name, role in roles.items() if role == "learn")
        base = self.base.currentData()
        if base is None or not learn:
            return None
        return replace(
            self.template,
            base=str(base),
            recordings=str(self._recordings),
            train=learn,
            held_out=tuple(name for name, role in roles.items() if role == "held out"),
            recipe=self._recipe(),
            name=self.name.text().strip() or "My hand",
            notes=self.notes.text().strip(),
        )

    def show_hint(self, sentence: str) -> None:
        """Shows a sentence above the buttons until something changes."""
        self.explanation.setText(sentence)

    def allow_start(self, allowed: bool) -> None:
        """Whether a run may be started, once the request is complete; two at once would share the machine."""
        self._may_start = allowed
        self.start.setEnabled(allowed and self.request() is not None)

    def _recipe(self) -> Recipe:
        return RECIPES[max(self.recipes.checkedId(), 0)]

    def _show_hints(self) -> None:
        request, recipe = self.request(), self._recipe()
        if not self.sessions.topLevelItemCount():
            self.show_hint(
                "Record at least two short sessions of your hand first; one for training, one to check with."
            )
        elif self.base.currentIndex() < 0:
            self.show_hint("No network here has the weights that training begins with.")
        elif request is None:
            self.show_hint("Choose at least one session to learn from.")
        elif not request.held_out:
            self.show_hint(f"{_RECIPE_HELP[recipe]} No session is held out, so the report will prove less.")
        else:
            self.show_hint(_RECIPE_HELP[recipe])
        self.start.setEnabled(request is not None and self._may_start)
        self.measure.setEnabled(request is not None)
