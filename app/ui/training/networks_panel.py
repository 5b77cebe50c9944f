"""The networks panel: the live one, the others, the effect of fine-tuning, swap and revert."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QPushButton, QTreeWidgetItem, QWidget

from app.jobs.training import TrainingRun
from app.networks.device import chosen_device, why_card_is_unused
from app.networks.handnet_archive import SUFFIX
from app.networks.library import NetworkEntry, NetworkLibrary
from app.networks.live_network import LiveNetwork, LoadedNetwork, load_candidate
from app.networks.trial import Trial, try_network
from app.networks.vetting import NetworkVetting
from app.optional_parts.parts import TRAIN
from app.palette import Theme
from app.ui.extension_host import ExtensionHost
from app.ui.install_card import InstallCard
from app.ui.part_installer import PartInstaller
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.training.report_view import ReportView, read_report
from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.form_helpers import panel_layout, row, section, table, wrapped
from app.ui.widgets.scroll_area import let_scroll
from hand.errors import CheckpointError, HandliveError
from trainer.runs.run_folder import NETWORK_FOLDER

_CLOSE_S = 0.5

_FILE_KINDS = f"Networks (*{SUFFIX})"


class NetworksPanel(QWidget):
    """Swaps networks while the picture goes on."""

    notice = pyqtSignal(str)
    """A sentence for the user."""

    def __init__(self, library: NetworkLibrary, live: LiveNetwork, installer: PartInstaller | None = None) -> None:
        """Lists the networks.

        Args:
            library: all networks.
            live: the network in use, and what replaces it.
            installer: of the training part; one of its own when left out.
        """
        super().__init__()
        self._library = library
        self._live = live
        self._vetting = NetworkVetting()
        self._trials = BackgroundTasks(self, self.notice.emit)
        self._files = BackgroundTasks(self, self._tell)
        self._waiting: LoadedNetwork | None = None
        self._known_problems: set[str] = set()
        self._run: TrainingRun | None = None
        self.now = wrapped("", "paneTitle")
        self._installer = installer or PartInstaller(TRAIN, self)
        self.card = InstallCard(self._installer, "Your graphics card is not used")
        self.revert = QPushButton("Go back")
        self.doubts = wrapped("", "warning")
        self.anyway = QPushButton("Swap in anyway")
        self.leave = QPushButton("Leave it")
        self.list = table("Networks", ["Network", "Other hands, mm"], 110)
        self.swap = QPushButton("Swap in")
        self.swap.setObjectName("primary")
        self.share = QPushButton("Share ...")
        self.open = QPushButton("Open ...")
        self.delete = QPushButton("Delete")
        self.report = ReportView()
        self.swap_tuned = QPushButton("Keep it and swap it in")
        self.swap_tuned.setObjectName("primary")
        self._lay_out()
        self._installer.installed.connect(self._use_graphics_card)
        self.swap.clicked.connect(lambda _checked: self._swap_chosen())
        self.swap_tuned.clicked.connect(lambda _checked: self._swap_tuned())
        self.revert.clicked.connect(lambda _checked: self.go_back())
        self.share.clicked.connect(lambda _checked: self._share())
        self.open.clicked.connect(lambda _checked: self._open())
        self.delete.clicked.connect(lambda _checked: self._delete())
        self.anyway.clicked.connect(lambda _checked: self._answer(yes=True))
        self.leave.clicked.connect(lambda _checked: self._answer(yes=False))
        self.list.itemSelectionChanged.connect(self._show_buttons)
        self.show_networks()

    def show_networks(self) -> None:
        """Reads the library again."""
        chosen = self._chosen()
        self.list.clear()
        entries = self._library.entries()
        new = [problem for problem in self._library.problems if problem not in self._known_problems]
        self._known_problems.update(new)
        if new:
            self.notice.emit(new[0] if len(new) == 1 else f"{len(new)} networks cannot be used. {new[0]}")
        for entry in entries:
            error = entry.figures.get("rendered_pa_mpjpe_mm")
            title = f"\N{BLACK CIRCLE} {entry.title}" if self._is_live(entry) else entry.title
            item = QTreeWidgetItem([title, f"{error:.1f}" if error else ""])
            item.setData(0, Qt.ItemDataRole.UserRole, entry)
            item.setToolTip(0, entry.card[:1500] or str(entry.folder))
            self.list.addTopLevelItem(item)
            if chosen is not None and entry.folder == chosen.folder:
                item.setSelected(True)
        self._show_live(entries)
        self._show_buttons()

    def show_run(self, run: TrainingRun) -> None:
        """Shows a finished run's report, and offers its network."""
        self._run = run
        self.report.show_report(run.folder)
        self.swap_tuned.setVisible((run.folder / NETWORK_FOLDER).is_dir())

    def go_back(self) -> None:
        """One click: the network before is live again from the next frame on."""
        network = self._live.revert()
        if network is not None:
            self._library.note(network.folder, network.name, "revert")
            self.notice.emit(f"{network.name} is live again.")
        self.show_networks()

    def set_theme(self, theme: Theme) -> None:
        self.report.set_theme(theme)

    def break_off_trial(self) -> None:
        """Ends a trial that is under way."""
        self._vetting.break_off()
        self._trials.abandon(_CLOSE_S)

    def wait(self) -> None:
        """Waits for files that are being written."""
        self._files.wait()

    # swapping

    def try_and_swap(self, folder: Path, verdict: str = "") -> None:
        """Loads and tries a network beside the live view, then swaps it in, or opens a dialog first; one at a time.

        Args:
            folder: of the network.
            verdict: of its report, if there is one.
        """
        if not self._trials.busy:
            self._trials.start("network-trial", partial(_try, folder, verdict, self._live, self._vetting), self._judge)

    def _use_graphics_card(self) -> None:
        """With the part that runs networks on it, the live one moves there."""
        if chosen_device(self._live.device) != "cpu":
            self.try_and_swap(self._live.folder)

    def _judge(self, tried: tuple[LoadedNetwork, Trial]) -> None:
        self._waiting, trial = tried
        if trial.doubts:
            self.doubts.setText(" ".join(trial.doubts))
            self._ask(asking=True)
        else:
            self._answer(yes=True)

    def _answer(self, *, yes: bool) -> None:
        candidate, self._waiting = self._waiting, None
        self._ask(asking=False)
        if yes and candidate is not None:
            self._live.swap(candidate)
            self._library.note(candidate.folder, candidate.name, "swap")
            self.notice.emit(f"{candidate.name} is live now.")
        elif candidate is not None:
            candidate.close()
        self.show_networks()

    def _ask(self, *, asking: bool) -> None:
        for widget in (self.doubts, self.anyway, self.leave):
            widget.setVisible(asking)

    def _swap_chosen(self) -> None:
        entry = self._chosen()
        if entry is not None:
            self.try_and_swap(entry.folder)

    def _swap_tuned(self) -> None:
        if self._run is None:
            return
        try:
            kept = self._library.add(self._run.folder / NETWORK_FOLDER, name=self._run.request.name)
        except HandliveError as problem:
            self.notice.emit(str(problem))
            return
        self.show_networks()
        self.try_and_swap(kept.folder, str(read_report(self._run.folder).get("verdict", "")))

    # files

    def _share(self) -> None:
        entry = self._chosen()
        if entry is None:
            return
        file, _ = QFileDialog.getSaveFileName(self, "Share a network", f"{entry.name}{SUFFIX}", _FILE_KINDS)
        if file:
            self.share_as(entry, Path(file))

    def share_as(self, entry: NetworkEntry, file: Path) -> None:
        """Writes a network as one file, beside the window."""
        library = self._library

        def work() -> str:
            library.share(entry, file)
            return f"{entry.name} is in {file}."

        self._files.start("share-network", work, self._tell)

    def _open(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Open a network", "", _FILE_KINDS)
        if file:
            self.open_file(Path(file))

    def open_file(self, file: Path) -> None:
        """Takes a shared network into the library, beside the window; it is not live yet."""
        library = self._library

        def work() -> str:
            library.add(file)
            return f"{file.stem} is in the list; choose it and swap it in."

        self._files.start("open-network", work, self._tell)

    def _delete(self) -> None:
        entry = self._chosen()
        if entry is not None and not self._is_live(entry):
            try:
                self._library.delete(entry)
            except HandliveError as problem:
                self._tell(str(problem))
            else:
                self._tell(f"{entry.name} was deleted.")

    def _tell(self, sentence: str) -> None:
        """Shows the result of work on files, and the networks there are now."""
        self.notice.emit(sentence)
        self.show_networks()

    # how it is built

    def _chosen(self) -> NetworkEntry | None:
        items = self.list.selectedItems()
        entry = items[0].data(0, Qt.ItemDataRole.UserRole) if items else None
        return entry if isinstance(entry, NetworkEntry) else None

    def _is_live(self, entry: NetworkEntry) -> bool:
        return entry.folder.resolve() == self._live.folder.resolve()

    def _show_live(self, entries: list[NetworkEntry]) -> None:
        live = next((entry for entry in entries if self._is_live(entry)), None)
        self.now.setText(live.name if live else self._live.folder.name)
        self.now.setToolTip(f"Runs on: {self._live.runs_on}")
        self.card.setVisible(bool(why_card_is_unused(self._live.device)))
        previous = self._live.previous
        self.revert.setVisible(previous is not None)
        self.revert.setText(f"Go back to {previous.name}" if previous else "Go back")

    def _show_buttons(self) -> None:
        entry = self._chosen()
        is_live = entry is not None and self._is_live(entry)
        self.swap.setEnabled(entry is not None and not is_live)
        self.share.setEnabled(entry is not None)
        self.delete.setEnabled(entry is not None and entry.own and not is_live)

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = panel_layout(inside, SPACING_PX // 2)
        layout.addWidget(section("LIVE NOW"))
        layout.addWidget(self.now)
        layout.addWidget(self.card)
        layout.addWidget(self.revert, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.doubts)
        layout.addLayout(row(self.anyway, self.leave, fills=False))
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("DID IT HELP?"))
        layout.addWidget(self.report)
        layout.addWidget(self.swap_tuned, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("ALL NETWORKS"))
        layout.addWidget(self.list, 1)
        layout.addLayout(row(self.swap, self.share, self.open, self.delete, fills=False))
        let_scroll(self, inside)
        self.setMinimumWidth(390)
        self._ask(asking=False)
        self.swap_tuned.setVisible(False)


def _try(folder: Path, verdict: str, live: LiveNetwork, vetting: NetworkVetting) -> tuple[LoadedNetwork, Trial]:
    """Loads and tries a network, in a thread of its own."""
    try:
        candidate = load_candidate(folder, live.device, vetting)
        return candidate, try_network(candidate, live.current(), verdict)
    except HandliveError:
        raise
    except Exception as problem:  # an untrusted network may break an engine in any way
        raise CheckpointError(f"The network in {folder} cannot be tried ({problem}); do not use it.") from problem


def install_networks(host: ExtensionHost, library: NetworkLibrary, installer: PartInstaller) -> NetworksPanel | None:
    """Adds the panel to a window whose network can be swapped."""
    live = host.options.live_network
    if live is None:
        return None
    panel = NetworksPanel(library, live, installer)
    host.add_panel("Networks", panel, shortcut="Ctrl+K")
    panel.notice.connect(host.notify)
    host.theme_changed.connect(panel.set_theme)
    host.closing.connect(panel.break_off_trial)
    host.closed.connect(panel.wait)
    return panel
