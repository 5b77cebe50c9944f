"""The card that installs an optional part: its states, and use of the part without a restart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_installers import MODULE, TINY_PART, use_fake_pip, write_product
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from test_optional_parts import NO_NETWORK
from windows import Open, wait_for_result

from app.jobs.training import TrainingRuns
from app.networks.device import why_card_is_unused
from app.networks.library import NetworkLibrary
from app.networks.live_network import LiveNetwork, load_candidate
from app.optional_parts.environment import PythonEnvironment
from app.optional_parts.installation import Installation, InstallPhase
from app.optional_parts.parts import OPEN3D, TRAIN, OptionalPart
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.ui.install_card import InstallCard, InstallDialog
from app.ui.part_installer import PartInstaller
from app.ui.tools.snapshot_tool import SnapshotTool
from app.ui.training.networks_panel import NetworksPanel
from app.ui.training.training_panel import FineTunePanel

PATIENCE_MS = 60_000


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[OptionalPart], Installation]]:
    """Installs with the fake pip into a folder on the import path of this process."""
    environment = use_fake_pip(tmp_path, monkeypatch)
    monkeypatch.syspath_prepend(str(environment.site_packages))
    product = write_product(tmp_path / "product", f"{MODULE}>=1")
    started: list[Installation] = []

    def start(part: OptionalPart) -> Installation:
        started.append(Installation(part, environment, product))
        return started[-1]

    yield start
    for installation in started:
        installation.close()


@pytest.fixture
def card(qtbot: QtBot, install: Callable[[OptionalPart], Installation]) -> InstallCard:
    installer = PartInstaller(TINY_PART, None, install)
    made = InstallCard(installer, "This needs the tiny part")
    installer.setParent(made)
    qtbot.addWidget(made)
    made.show()
    return made


def visible_text(card: InstallCard) -> str:
    """The visible text of the card."""
    return " ".join(label.text() for label in card.findChildren(QLabel) if label.isVisibleTo(card))


def test_card_shows_its_purpose_and_costs(card: InstallCard) -> None:
    assert "This needs the tiny part" in visible_text(card)
    assert "downloads 3 MB and takes 4 MB on disk: about 1 min" in visible_text(card)
    assert "python main_v2.py install tiny" in visible_text(card)
    assert card.install.text() == "Install the tiny part"
    assert not card.cancel.isVisibleTo(card)
    assert not card.progress.isVisibleTo(card)


def test_install_button_installs_the_part_and_hides_the_card(qtbot: QtBot, card: InstallCard) -> None:
    assert not TINY_PART.is_installed()
    with qtbot.waitSignal(card._installer.installed, timeout=PATIENCE_MS):
        card.install.click()
    assert TINY_PART.is_installed()
    assert not card.isVisible()


def test_download_updates_the_progress_bar_and_can_be_cancelled(
    qtbot: QtBot, card: InstallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    card.install.click()
    qtbot.waitUntil(lambda: card.status.text() == "Downloading: 2 of 3 MB", timeout=PATIENCE_MS)
    assert card.progress.isVisibleTo(card)
    assert card.progress.value() == 500  # 2 of 3 MB; the download is the first three quarters of the bar
    assert not card.install.isVisibleTo(card)
    card.cancel.click()
    qtbot.waitUntil(lambda: "Cancelled. Nothing was changed." in visible_text(card), timeout=PATIENCE_MS)
    assert card.install.isVisibleTo(card)
    assert not card.progress.isVisibleTo(card)
    assert not card._installer.running


def test_failed_installation_is_shown_and_can_be_retried(
    qtbot: QtBot, card: InstallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", NO_NETWORK)
    card.install.click()
    qtbot.waitUntil(lambda: card.problem.isVisibleTo(card), timeout=PATIENCE_MS)
    assert "cannot be reached. Check the internet connection and try again. Nothing was changed." in visible_text(card)
    assert card.install.text() == "Try again"
    monkeypatch.setenv("PIP_FAKE", "install")
    with qtbot.waitSignal(card._installer.installed, timeout=PATIENCE_MS):
        card.install.click()
    assert not card.isVisible()


def test_refused_installation_is_explained_on_the_card(qtbot: QtBot, card: InstallCard, tmp_path: Path) -> None:
    read_only = PythonEnvironment(Path(sys.executable), tmp_path / "nowhere" / "site", ())
    card._installer._install = lambda part: Installation(part, read_only, tmp_path)
    card.install.click()
    assert "may not be written" in card.problem.text()
    assert card.install.text() == "Try again"


def test_closing_the_installer_ends_the_installation_process(
    qtbot: QtBot, card: InstallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    card.install.click()
    qtbot.waitUntil(lambda: "Downloading" in card.status.text(), timeout=PATIENCE_MS)
    process = card._installer._installation._process  # type: ignore[union-attr]
    card._installer.close()
    assert process.poll() is not None


# the panels


@pytest.fixture
def teach(qtbot: QtBot, tmp_path: Path, install: Callable[[OptionalPart], Installation]) -> Iterator[FineTunePanel]:
    installer = PartInstaller(TINY_PART, None, install)
    library = NetworkLibrary(SHIPPED_NETWORK_DIR, tmp_path / "networks")
    panel = FineTunePanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"), installer)
    installer.setParent(panel)
    qtbot.addWidget(panel)
    panel.show()
    yield panel
    panel.close_quietly()


def test_fine_tuning_is_enabled_by_installing_its_part_without_a_restart(qtbot: QtBot, teach: FineTunePanel) -> None:
    assert teach.card.isVisibleTo(teach)
    assert not teach.form.isEnabled()
    assert not teach.view.resume.isEnabled()
    assert teach.list.isEnabled()  # earlier runs can be looked at
    with qtbot.waitSignal(teach._installer.installed, timeout=PATIENCE_MS):
        teach.card.install.click()
    assert not teach.card.isVisibleTo(teach)
    assert teach.form.isEnabled()
    assert teach.view.resume.isEnabled()


def test_installation_outside_the_window_enables_fine_tuning(
    qtbot: QtBot, teach: FineTunePanel, install: Callable[[OptionalPart], Installation]
) -> None:
    elsewhere = install(TINY_PART)
    qtbot.waitUntil(lambda: elsewhere.poll().phase is InstallPhase.DONE, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: teach.form.isEnabled(), timeout=PATIENCE_MS)
    assert not teach.card.isVisibleTo(teach)


@pytest.fixture
def gpu_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An NVIDIA GPU, and a training part that is not installed."""
    monkeypatch.setattr("app.networks.device._cuda_cards", lambda: 1)
    monkeypatch.setattr(
        "app.networks.device.TRAIN",
        OptionalPart("train", TRAIN.title, TRAIN.purpose, ("handlive_no_such",), TRAIN.costs),
    )


@pytest.mark.usefixtures("gpu_without_torch")
def test_gpu_without_the_training_part_is_unused_with_a_note() -> None:
    network = load_candidate(SHIPPED_NETWORK_DIR, "auto")
    assert network.card is None
    assert network.note.startswith("The NVIDIA graphics card is not used, because the training part")
    assert "main_v2.py install train'" in network.note
    assert network.runs_on == "processor (ONNX Runtime)"
    assert load_candidate(SHIPPED_NETWORK_DIR, "cpu").note == ""


def test_machine_without_a_gpu_has_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.networks.device._cuda_cards", lambda: 0)
    monkeypatch.setattr("app.networks.device.sys.platform", "linux")
    monkeypatch.setattr("app.networks.device.TRAIN", TINY_PART)
    assert why_card_is_unused("auto") == ""


@pytest.mark.usefixtures("gpu_without_torch")
def test_the_networks_panel_offers_the_part_for_the_graphics_card(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Callable[[OptionalPart], Installation]
) -> None:
    live = LiveNetwork(SHIPPED_NETWORK_DIR, "auto")
    installer = PartInstaller(TINY_PART, None, install)
    panel = NetworksPanel(NetworkLibrary(SHIPPED_NETWORK_DIR, tmp_path / "networks"), live, installer)
    installer.setParent(panel)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.card.isVisibleTo(panel)
    tried: list[Path] = []
    monkeypatch.setattr(panel, "try_and_swap", lambda folder, verdict="": tried.append(folder))
    with qtbot.waitSignal(installer.installed, timeout=PATIENCE_MS):
        panel.card.install.click()
    assert not panel.card.isVisibleTo(panel)
    assert tried == [SHIPPED_NETWORK_DIR]  # loaded again to use the GPU


def test_inspecting_a_mesh_offers_to_install_open3d(
    qtbot: QtBot, open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OptionalPart, "is_installed", lambda part: part is not OPEN3D)
    window = open_window()
    tool = window.findChild(SnapshotTool)
    assert tool is not None
    wait_for_result(qtbot, window)
    tool.inspect()
    dialog = window.findChild(InstallDialog)
    assert dialog is not None
    assert dialog.isVisible()
    assert OPEN3D.command in visible_text(dialog.card)
    dialog.close()
