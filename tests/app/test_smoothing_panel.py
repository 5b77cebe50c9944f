"""The smoothing's panel: it shows any strength, and changes it only when the slider is moved."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.pipeline.paths.smoothing import Smoothing
from app.ui.panels.smoothing_panel import SmoothingPanel


@pytest.mark.parametrize(("strength", "text"), [(0.02, "2%"), (0.33, "33%"), (0.0, "off")])
def test_strength_between_two_steps_is_shown_as_it_is(qtbot: QtBot, strength: float, text: str) -> None:
    smoothing = Smoothing(strength)
    panel = SmoothingPanel(smoothing, ("ik",))
    qtbot.addWidget(panel)
    assert smoothing.strength == strength
    assert panel.strength.text() == text
    panel.slider.setValue(10)
    assert smoothing.strength == 0.5
    assert panel.strength.text() == "50%"
    panel._numbers.stop()
