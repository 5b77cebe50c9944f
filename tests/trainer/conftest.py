"""Shared fixtures: a renderer, and small data sets in the published formats. Tests that modify a set copy it first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hand.embedded import load_embedded_model
from trainer.__main__ import main
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.scene import SceneRenderer

FREIHAND_SAMPLES = 4
FREIHAND_EVALUATION = 2


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Restores torch's thread count: measuring sets it to all cores, which slows later tests on a busy machine."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 0
    yield
    if torch is not None:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def renderer() -> SceneRenderer:
    """Renders hands in front of a small pool of backgrounds."""
    return SceneRenderer(load_embedded_model(), 5, backgrounds=BackgroundPool(5, size=4))


def synthesize(out: Path, *options: str) -> None:
    assert main(["synthesize", "--seed", "4", "--out", str(out), "--jobs", "1", *options]) == 0


@pytest.fixture(scope="session")
def freihand_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small FreiHAND: 4 samples x 4 versions with masks, and 2 of evaluation."""
    folder = tmp_path_factory.mktemp("small_freihand")
    synthesize(folder, "--count", str(FREIHAND_SAMPLES), "--format", "freihand")
    synthesize(folder, "--count", str(FREIHAND_EVALUATION), "--format", "freihand", "--split", "evaluation")
    return folder


@pytest.fixture(scope="session")
def ho3d_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small HO-3D: 4 training frames of 4 recordings, and 2 of evaluation."""
    folder = tmp_path_factory.mktemp("small_ho3d")
    common = ("--format", "ho3d", "--size", "240x180")
    synthesize(folder, "--count", "4", *common)
    synthesize(folder, "--count", "2", "--split", "evaluation", *common)
    return folder


@pytest.fixture(scope="session")
def interhand_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small InterHand2.6M: six pictures of a right hand, a left hand, or both."""
    folder = tmp_path_factory.mktemp("small_interhand")
    synthesize(folder, "--count", "6", "--format", "interhand", "--size", "256x168")
    return folder
