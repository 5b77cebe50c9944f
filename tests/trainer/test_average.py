"""The mean of two networks' weights, from files and from runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch

from trainer.__main__ import main
from trainer.average import averaged_weights
from trainer.networks.weights import load_weights, save_weights
from trainer.runs.run_folder import STATE_FILE

FIRST = {"weight": torch.tensor([1.0, 3.0]), "count": torch.tensor(4)}
SECOND = {"weight": torch.tensor([2.0, 7.0]), "count": torch.tensor(9), "more": torch.tensor([5.0])}


def test_float_weights_are_averaged_and_others_come_from_the_second_network() -> None:
    mean = averaged_weights(FIRST, SECOND, 0.25)
    torch.testing.assert_close(mean["weight"], torch.tensor([1.25, 4.0]))
    assert mean["count"] == 9
    assert mean["more"] == 5.0


def test_a_file_and_a_run_are_averaged_into_a_file(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    torch.save({"progress": {"step": 3}, "network": {}, "average": SECOND}, run / STATE_FILE)
    save_weights(tmp_path / "first.safetensors", FIRST, {})
    out = tmp_path / "made" / "mean.safetensors"
    assert main(["average", str(tmp_path / "first.safetensors"), str(run), "--out", str(out)]) == 0
    torch.testing.assert_close(load_weights(out)["weight"], torch.tensor([1.5, 5.0]))


@pytest.mark.parametrize(
    ("first", "options", "words"),
    [
        ({"weight": torch.zeros(3)}, [], "different networks"),
        (FIRST, ["--share", "1.5"], "between 0 and 1"),
        (FIRST, ["--share", "nan"], "between 0 and 1"),
    ],
)
def test_incompatible_inputs_are_reported(
    first: dict[str, torch.Tensor], options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "first.safetensors", first, {})
    save_weights(tmp_path / "second.safetensors", SECOND, {})
    out = tmp_path / "mean.safetensors"
    files = [str(tmp_path / f"{name}.safetensors") for name in ("first", "second")]
    assert main(["average", *files, "--out", str(out), *options]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_without_a_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["average", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert "a run's folder" in capsys.readouterr().err
