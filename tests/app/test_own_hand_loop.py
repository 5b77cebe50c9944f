"""A scripted user goes through the whole loop with the real panels, real files and a real training process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot
from tiny_training import CAMERA, tiny_request, write_network

from app.jobs.run_story import RunPhase
from app.jobs.training import TrainingRuns
from app.networks.library import NetworkLibrary
from app.networks.live_network import LiveNetwork, load_candidate
from app.networks.trial import Trial
from app.palette import DARK
from app.pipeline.network_path import NetworkPath
from app.ui.networks_panel import NetworksPanel
from app.ui.run_view import describe_run, duration
from app.ui.teach_form import ROLES
from app.ui.teach_panel import TeachPanel
from hand.embedded import load_embedded_model
from hand.session_labels import Verdict, append_verdicts
from hand.types import Frame

pytestmark = pytest.mark.timeout(420)


class NoFinder:
    def detect(self, image_rgb: np.ndarray) -> list[object]:
        return []

    def close(self) -> None:
        pass


def wait_for(qtbot: QtBot, true: Callable[[], bool], panel: TeachPanel, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        qtbot.wait(200)
        panel.look()
        run = panel.view._run
        assert time.monotonic() < end, run and (run.phase, run.story.lines, run.log_tail())


@pytest.mark.slow
def test_teach_report_swap_and_revert(qtbot: QtBot, tmp_path: Path) -> None:
    request = tiny_request(tmp_path)
    append_verdicts(tmp_path / "sessions" / "s1", [Verdict(frame, "rejected") for frame in (3, 4)])
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    live = LiveNetwork(library.shipped)
    first = live.current()
    path = NetworkPath(live.runtime, load_embedded_model(), NoFinder(), network_now=lambda: live.runtime)  # type: ignore[arg-type]
    panel = TeachPanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"))
    networks = NetworksPanel(library, live)
    panel.run_shown.connect(networks.show_run)
    for widget in (panel, networks):
        qtbot.addWidget(widget)
        widget.set_theme(DARK)
        widget.show()
    panel.form.template = request
    # the newest session is held out, and the user leaves it so
    assert panel.form.roles() == {"s1": "learn", "s2": "learn", "s3": "held out"}
    panel.form.name.setText("Tiny hand")
    qtbot.mouseClick(panel.form.start, Qt.MouseButton.LeftButton)
    run = panel.view._run
    assert run is not None
    wait_for(qtbot, lambda: run.phase is RunPhase.FINISHED, panel)
    assert (run.request.train, run.request.held_out) == (("s1", "s2"), ("s3",))
    assert "your hand" in networks.report.sentence.text()
    assert panel.list.topLevelItem(0).text(1) == "done"  # type: ignore[union-attr]
    # one click brings it live, between two frames
    path.process(Frame(0, 0, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    qtbot.mouseClick(networks.swap_tuned, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: live.current() is not first or networks.anyway.isVisible(), timeout=30_000)
    if networks.anyway.isVisible():  # an untrained network may well get worse on the demo clip
        qtbot.mouseClick(networks.anyway, Qt.MouseButton.LeftButton)
    assert live.current().name == "Tiny hand"
    path.process(Frame(1, 1, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    assert path._runtime is live.runtime
    # and one click goes back
    assert networks.revert.isVisible()
    qtbot.mouseClick(networks.revert, Qt.MouseButton.LeftButton)
    assert live.current() is first
    path.process(Frame(2, 2, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    assert path._runtime is first.runtime
    assert [swap.reason for swap in library.history()] == ["revert", "swap"]
    panel.close_quietly()


def test_a_doubtful_network_waits_for_a_yes(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_network(tmp_path / "base")
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    other = library.add(tmp_path / "base", name="other")
    live = LiveNetwork(tmp_path / "base")
    first = live.current()
    monkeypatch.setattr("app.ui.networks_panel.try_network", lambda *_: Trial(20.0, 10.0, ("It is clearly worse.",)))
    panel = NetworksPanel(library, live)
    qtbot.addWidget(panel)
    panel.show()
    panel.try_and_swap(other.folder)
    qtbot.waitUntil(panel.anyway.isVisible, timeout=20_000)
    assert live.current() is first
    assert "clearly worse" in panel.doubts.text()
    qtbot.mouseClick(panel.leave, Qt.MouseButton.LeftButton)
    assert live.current() is first
    panel.try_and_swap(other.folder)
    qtbot.waitUntil(panel.anyway.isVisible, timeout=20_000)
    qtbot.mouseClick(panel.anyway, Qt.MouseButton.LeftButton)
    assert live.current().folder == other.folder
    assert library.last_live() == other.folder


def test_what_cannot_be_loaded_is_said_and_changes_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    write_network(tmp_path / "base")
    live = LiveNetwork(tmp_path / "base")
    first = live.current()
    panel = NetworksPanel(NetworkLibrary(tmp_path / "base", tmp_path / "networks"), live)
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.said, timeout=20_000) as said:
        panel.try_and_swap(tmp_path / "nothing")
    assert "There is no trained network" in said.args[0]
    (tmp_path / "junk.handnet").write_bytes(b"junk")
    with qtbot.waitSignal(panel.said, timeout=20_000) as said:
        panel.open_file(tmp_path / "junk.handnet")
    assert "cannot be opened as a network" in said.args[0]
    assert live.current() is first
    panel.wait()


def test_the_form_says_what_is_missing(qtbot: QtBot, tmp_path: Path) -> None:
    write_network(tmp_path / "base")
    (tmp_path / "sessions").mkdir()
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    panel = TeachPanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"))
    qtbot.addWidget(panel)
    panel.show()
    assert "Record at least two" in panel.form.explanation.text()
    assert not panel.form.start.isEnabled()
    assert load_candidate(tmp_path / "base").name == panel.form.base.currentText().split(" (")[0]
    assert ROLES[0] == "learn"
    panel.close_quietly()


def test_times_are_said_for_people(tmp_path: Path) -> None:
    assert [duration(seconds) for seconds in (3.0, 41.0, 95.0, 600.0, 4900.0)] == [
        "10 s",
        "50 s",
        "2 min",
        "10 min",
        "1 h 22 min",
    ]
    run = TrainingRuns(tmp_path).create(tiny_request(tmp_path))
    assert describe_run(run) == "Interrupted before its first step; everything up to step 0 is kept, and it can go on."
