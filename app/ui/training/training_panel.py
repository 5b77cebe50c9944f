"""The trainer panel: put a run together, follow it, find the earlier ones again."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QTreeWidgetItem, QWidget

from app.jobs.training import EstimateProcess, TrainingRun, TrainingRuns
from app.networks.library import NetworkLibrary
from app.optional_parts.parts import TRAIN
from app.palette import Theme
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.recording.sessions import summarize_sessions
from app.ui.extension_host import ExtensionHost
from app.ui.install_card import InstallCard
from app.ui.part_installer import PartInstaller
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.training.networks_panel import install_networks
from app.ui.training.run_view import RunView, duration
from app.ui.training.training_form import FineTuneForm
from app.ui.widgets.form_helpers import panel_layout, section, table
from app.ui.widgets.scroll_area import let_scroll
from app.ui.widgets.visibility import is_seen
from app.user_dirs import default_runs_folder, sessions_folder
from hand.errors import HandliveError
from trainer.runs.run_history import RunPhase

_LOOK_EVERY_MS = 700
_WORDS = {
    RunPhase.STARTING: "starting",
    RunPhase.TRAINING: "learning",
    RunPhase.MEASURING: "comparing",
    RunPhase.FINISHED: "done",
    RunPhase.STOPPED: "stopped",
    RunPhase.INTERRUPTED: "interrupted",
    RunPhase.FAILED: "failed",
}


class FineTunePanel(QWidget):
    """Form, run and list of runs, one below the other."""

    notice = pyqtSignal(str)
    """A sentence for the user."""

    run_shown = pyqtSignal(object)
    """A finished :class:`TrainingRun` was chosen, or came to its report while this panel watched."""

    def __init__(
        self, library: NetworkLibrary, recordings: Path, runs: TrainingRuns, installer: PartInstaller | None = None
    ) -> None:
        """Lists networks, sessions and runs.

        Args:
            library: networks to begin with.
            recordings: folder of the sessions.
            runs: all runs.
            installer: of the training part; one of its own when left out.
        """
        super().__init__()
        self._library = library
        self._recordings = recordings
        self._runs = runs
        self._installer = installer or PartInstaller(TRAIN, self)
        self._can_train = False
        self._shown: TrainingRun | None = None
        self._estimate: EstimateProcess | None = None
        self._phases: dict[str, RunPhase] = {}
        self._known_damaged: set[str] = set()  # folders of runs
        self.card = InstallCard(self._installer, "Teaching needs the training part")
        self.form = FineTuneForm()
        self.view = RunView()
        self.list = table("Runs", ["Run", "State", "Your hand, mm", "Others, mm"], 110)
        inside = QWidget()
        layout = panel_layout(inside, SPACING_PX // 2)
        layout.addWidget(section("TEACH THE NETWORK YOUR HAND"))
        layout.addWidget(self.card)
        layout.addWidget(self.form)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("THIS RUN"))
        layout.addWidget(self.view, 1)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("ALL RUNS"))
        layout.addWidget(self.list)
        let_scroll(self, inside)
        self.setMinimumWidth(380)
        self._installer.installed.connect(self.refresh)
        self.form.started.connect(self._start)
        self.form.measure_requested.connect(self._measure)
        self.view.failed.connect(self.notice)
        self.view.acted.connect(self.refresh)
        self.list.itemSelectionChanged.connect(self._select)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(_LOOK_EVERY_MS)

    def refresh(self) -> None:
        """Reads networks, sessions and runs, and shows what changed."""
        if not is_seen(self) and self._phases and self._runs.at_work() is None:
            return
        self._look_for_training_part()
        self.form.show_networks(self._library.entries())
        self.form.show_sessions(self._recordings, summarize_sessions(self._recordings))
        runs = self._runs.refresh()
        for folder, problem in self._runs.problems.items():
            if folder not in self._known_damaged:
                self._known_damaged.add(folder)
                self.notice.emit(problem)
        if self._shown is None and runs:
            self.show_run(self._runs.at_work() or runs[0])
        for run in runs:
            before, self._phases[run.folder.name] = self._phases.get(run.folder.name), run.phase
            if before is not None and before is not run.phase and run.phase is RunPhase.FINISHED:
                self.notice.emit(run.history.sentence)
                self.show_run(run)
        self._show_list(runs)
        self.view.show_run(self._shown)
        free = self._runs.at_work() is None
        self.form.allow_start(free)
        self.view.allow_training(self._can_train and free)
        self._look_at_estimate()

    def show_run(self, run: TrainingRun) -> None:
        self._shown = run
        self.view.show_run(run)
        if run.phase is RunPhase.FINISHED:
            self.run_shown.emit(run)

    def close_quietly(self) -> None:
        """Ends what only this window waits for; a running training goes on."""
        self._timer.stop()
        self._installer.close()
        if self._estimate is not None:
            self._estimate.close()
            self._estimate = None

    def set_theme(self, theme: Theme) -> None:
        self.view.set_theme(theme)

    def _look_for_training_part(self) -> None:
        """Without it nothing can be started, but what there is stays readable; once it is there, it stays."""
        if not self._can_train:
            self._can_train = self._installer.part.is_installed() and not self._installer.running
            self.card.setVisible(not self._can_train)
            self.form.setEnabled(self._can_train)

    def _start(self) -> None:
        request = self.form.request()
        if request is None or self._runs.at_work() is not None:
            return
        try:
            run = self._runs.create(request)
            run.start()
        except HandliveError as problem:
            self.notice.emit(str(problem))
            return
        self.show_run(run)
        self.refresh()

    def _measure(self) -> None:
        request = self.form.request()
        if request is None or self._estimate is not None:
            return
        try:
            self._estimate = EstimateProcess(request, self._runs.folder)
            self.form.show_hint("Making a few real steps to see how long it takes here ...")
        except HandliveError as problem:
            self.form.show_hint(str(problem))

    def _look_at_estimate(self) -> None:
        if self._estimate is None:
            return
        try:
            found = self._estimate.poll()
        except HandliveError as problem:
            self._estimate = None
            self.form.show_hint(str(problem))
            return
        if found is not None:
            self._estimate = None
            self.form.show_hint(
                f"About {duration(found.seconds)} on this machine as busy as it is now: {found.steps} steps of "
                f"{found.seconds_per_step:.2f} s, and the report."
            )

    def showEvent(self, event: QShowEvent | None) -> None:
        """Updates everything after the panel was hidden."""
        super().showEvent(event)
        self.refresh()

    def _select(self) -> None:
        chosen = self.list.selectedItems()
        run = chosen[0].data(0, Qt.ItemDataRole.UserRole) if chosen else None
        if isinstance(run, TrainingRun):
            self.show_run(run)

    def _show_list(self, runs: list[TrainingRun]) -> None:
        while self.list.topLevelItemCount() > len(runs):
            self.list.takeTopLevelItem(self.list.topLevelItemCount() - 1)
        for number, run in enumerate(runs):
            item = self.list.topLevelItem(number)
            if item is None:
                item = QTreeWidgetItem()
                self.list.addTopLevelItem(item)
            item.setData(0, Qt.ItemDataRole.UserRole, run)
            metrics = run.history.metrics
            for column, text in enumerate(
                (
                    run.request.name or run.folder.name,
                    _WORDS[run.phase],
                    _pair(metrics.get("own_before_mm"), metrics.get("own_after_mm")),
                    _pair(metrics.get("general_before_mm"), metrics.get("general_after_mm")),
                )
            ):
                if item.text(column) != text:
                    item.setText(column, text)
            item.setToolTip(0, f"{run.folder.name}, {run.request.recipe}. {run.request.notes}")


def install_finetuning(host: ExtensionHost) -> None:
    """Adds the panel to a window."""
    live = host.options.live_network
    library = NetworkLibrary(SHIPPED_NETWORK_DIR, beside=() if live is None else (live.folder,))
    installer = PartInstaller(TRAIN, host.parent_widget)
    panel = FineTunePanel(library, sessions_folder(), TrainingRuns(default_runs_folder()), installer)
    host.add_panel("Teach", panel, shortcut="Ctrl+T")
    panel.notice.connect(host.notify)
    installer.installed.connect(lambda: host.notify(f"The {TRAIN.title} is installed and ready."))
    host.theme_changed.connect(panel.set_theme)
    host.closing.connect(panel.close_quietly)
    networks = install_networks(host, library, installer)
    if networks is not None:
        panel.run_shown.connect(networks.show_run)


def _pair(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f"{before:.1f} \N{RIGHTWARDS ARROW} {after:.1f}"
