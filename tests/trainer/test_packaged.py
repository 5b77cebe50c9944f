"""Data files that an installed package needs are part of the package."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

from trainer.finetune import CONFIG

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_a_users_own_hand_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    packed = apply_configuration(Distribution(), str(ROOT / "pyproject.toml"))
    assert packed.packages is not None
    # the path from the code to the recipe is the same when both are installed
    assert CONFIG.parent == ROOT / "configs"
    assert "configs" in packed.packages
    assert any(fnmatch(CONFIG.name, pattern) for pattern in packed.package_data["configs"])
