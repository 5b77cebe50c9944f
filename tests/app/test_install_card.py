"""The card that installs an optional part: what it shows when, and that what needed the part needs no restart."""

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
    """Installs with the fake pip into a folder that this process imports from, too."""
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


def words(card: InstallCard) -> str:
    """All that can be read on it."""
    return " ".join(label.text() for label in card.findChildren(QLabel) if label.isVisibleTo(card))


def test_the_card_says_what_it_is_for_and_what_it_costs(card: InstallCard) -> None:
    assert "This needs the tiny part" in words(card)
    assert "downloads 3 MB and takes 4 MB on disk: about 1 min" in words(card)
    assert "python main_v2.py install tiny" in words(card)
    assert card.install.text() == "Install the tiny part"
    assert not card.cancel.isVisibleTo(card)
    assert not card.progress.isVisibleTo(card)


def test_one_click_installs_and_the_card_goes(qtbot: QtBot, card: InstallCard) -> None:
    assert not TINY_PART.is_installed()
    with qtbot.waitSignal(card._installer.installed, timeout=PATIENCE_MS):
        card.install.click()
    assert TINY_PART.is_installed()
    assert not card.isVisible()


def test_the_download_moves_the_bar_and_can_be_cancelled(
    qtbot: QtBot, card: InstallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    card.install.click()
    qtbot.waitUntil(lambda: card.status.text() == "Downloading: 2 of 3 MB", timeout=PATIENCE_MS)
    assert card.progress.isVisibleTo(card)
    assert card.progress.value() == 500  # two thirds of the three quarters that are for the download
    assert not card.install.isVisibleTo(card)
    card.cancel.click()
    qtbot.waitUntil(lambda: "Cancelled. Nothing was changed." in words(card), timeout=PATIENCE_MS)
    assert card.install.isVisibleTo(card)
    assert not card.progress.isVisibleTo(card)
    assert not card._installer.running


def test_a_failure_is_said_and_can_be_tried_again(
    qtbot: QtBot, card: InstallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", NO_NETWORK)
    card.install.click()
    qtbot.waitUntil(lambda: card.problem.isVisibleTo(card), timeout=PATIENCE_MS)
    assert "cannot be reached. Check the internet connection and try again. Nothing was changed." in words(card)
    assert card.install.text() == "Try again"
    monkeypatch.setenv("PIP_FAKE", "install")
    with qtbot.waitSignal(card._installer.installed, timeout=PATIENCE_MS):
        card.install.click()
    assert not card.isVisible()


def test_what_is_refused_beforehand_is_said_on_the_card(qtbot: QtBot, card: InstallCard, tmp_path: Path) -> None:
    read_only = PythonEnvironment(Path(sys.executable), tmp_path / "nowhere" / "site", ())
    card._installer._install = lambda part: Installation(part, read_only, tmp_path)
    card.install.click()
    assert "may not be written" in card.problem.text()
    assert card.install.text() == "Try again"


def test_a_window_that_closes_ends_the_installation(
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


def test_teaching_waits_for_its_part_and_then_needs_no_restart(qtbot: QtBot, teach: FineTunePanel) -> None:
    assert teach.card.isVisibleTo(teach)
    assert not teach.form.isEnabled()
    assert not teach.view.resume.isEnabled()
    assert teach.list.isEnabled()  # earlier runs can be looked at
    with qtbot.waitSignal(teach._installer.installed, timeout=PATIENCE_MS):
        teach.card.install.click()
    assert not teach.card.isVisibleTo(teach)
    assert teach.form.isEnabled()
    assert teach.view.resume.isEnabled()


def test_a_part_that_was_installed_from_a_terminal_is_noticed(
    qtbot: QtBot, teach: FineTunePanel, install: Callable[[OptionalPart], Installation]
) -> None:
    elsewhere = install(TINY_PART)
    qtbot.waitUntil(lambda: elsewhere.poll().phase is InstallPhase.DONE, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: teach.form.isEnabled(), timeout=PATIENCE_MS)
    assert not teach.card.isVisibleTo(teach)


@pytest.fixture
def card_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An NVIDIA card, and a training part that is not there."""
    monkeypatch.setattr("app.networks.device._cuda_cards", lambda: 1)
    monkeypatch.setattr(
        "app.networks.device.TRAIN",
        OptionalPart("train", TRAIN.title, TRAIN.purpose, ("handlive_no_such",), TRAIN.costs),
    )


@pytest.mark.usefixtures("card_without_torch")
def test_a_graphics_card_without_the_training_part_says_why_it_is_not_used() -> None:
    network = load_candidate(SHIPPED_NETWORK_DIR, "auto")
    assert network.card is None
    assert network.note.startswith("The NVIDIA graphics card is not used, because the training part")
    assert "main_v2.py install train'" in network.note
    assert network.runs_on == "processor (ONNX Runtime)"
    assert load_candidate(SHIPPED_NETWORK_DIR, "cpu").note == ""


def test_without_a_graphics_card_nothing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.networks.device._cuda_cards", lambda: 0)
    monkeypatch.setattr("app.networks.device.sys.platform", "linux")
    monkeypatch.setattr("app.networks.device.TRAIN", TINY_PART)
    assert why_card_is_unused("auto") == ""


@pytest.mark.usefixtures("card_without_torch")
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
    assert tried == [SHIPPED_NETWORK_DIR]  # loaded anew, which finds the card usable


def test_inspecting_a_mesh_offers_its_part(
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
    assert OPEN3D.command in words(dialog.card)
    dialog.close()
