"""The Colab notebook: up to date, readable, and run twice from first to last cell, as after a disconnect."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np

from hand.errors import ConfigError
from inference.runtime import load_network
from trainer.__main__ import main
from trainer.notebook import inline
from trainer.notebook.command import NOTEBOOK
from trainer.notebook.inline import sections
from trainer.runs.run_folder import read_events
from trainer.runs.run_history import read_history

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = {
    "RUN": "tiny",
    "ARCHITECTURE": "debug",
    "DATA": ["rendered_hands.zip"],
    "SOURCES": [{"kind": "recordings", "path": "rendered_hands"}],
    "HELD_OUT": [],
    "REPORT_CROPS": 6,
}
CHANGES: dict[str, Any] = {
    "batch": 4,
    "warmup_steps": 1,
    "evaluate_every": 2,
    "evaluation_count": 2,
    "log_every": 1,
    "network": {"trunk": "mobilenet_v3_small", "head": "mlp", "input_px": 64, "width": 128},
    # as in recipes that begin with the shipped network; this is where the notebook puts it
    "start_from": "assets/network/network.safetensors",
    "start_partly": True,
}


ONE = '''import math

WIDTH = 2
"""In metres."""


# why
def _half(width=WIDTH):
    return math.floor(width / 2)
'''
TWO = """from hand.one import WIDTH, _half as half_of_one


def _half(x):
    return half_of_one(width=x), WIDTH
"""


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    """The cells of the shipped notebook."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell | {"text": "".join(cell["source"])} for cell in content["cells"]]


def test_notebook_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notebook", "--check"]) == 0, capsys.readouterr().err


def test_stale_notebook_is_detected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.ipynb"
    old.write_text(NOTEBOOK.read_text(encoding="utf-8").replace("0.5 * (1.0 + math.cos", "0.4 * (1.0 + math.cos"))
    assert main(["notebook", "--check", "--out", str(old)]) == 2
    assert "write it again with `python -m trainer notebook`" in capsys.readouterr().err
    assert main(["notebook", "--out", str(old)]) == 0
    assert main(["notebook", "--check", "--out", str(old)]) == 0


def test_the_file_is_a_notebook() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


def test_notebook_contains_the_code_that_it_runs(cells: list[dict[str, Any]]) -> None:
    code = [cell["text"] for cell in cells if cell["cell_type"] == "code"]
    assert not any(re.search(r"^\s*(from|import) (hand|trainer)\b", text, re.MULTILINE) for text in code)
    assert max(len(line) for text in code for line in text.splitlines()) <= 160
    everything = "\n".join(code)
    for name in ("def fit(", "class HandNetwork", "class ManoLoss", "class TorchHandLayer", "def prediction_metrics("):
        # at the top: a class may have a method of the same name
        assert len(re.findall(rf"^{re.escape(name)}", everything, re.MULTILINE)) == 1
    headings = [cell["text"].splitlines()[0] for cell in cells if cell["cell_type"] == "markdown"]
    assert [line for line in headings if re.match(r"## \d", line)] == [
        "## 1. Settings",
        "## 2. Set-up",
        "## 3. The code",
        "## 4. Data",
        "## 5. Architecture",
        "## 6. Training",
        "## 7. Evaluation",
        "## 8. Export for the app",
    ]


def test_name_defined_in_two_modules_is_prefixed_with_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / "one.py").write_text(ONE + "\n\ndef unused():\n    pass\n")
    (tmp_path / "hand" / "two.py").write_text(TWO)
    monkeypatch.setattr(inline, "ROOT", tmp_path)
    code, called = sections([("hand.two", "_half")])
    assert [section.module for section in code] == ["hand.one", "hand.two"]
    assert code[0].source == ONE.replace("_half", "_one_half").replace("math\n", "math\n\n").strip()
    assert code[1].source == "def _two_half(x):\n    return _one_half(width=x), WIDTH"
    assert called["hand.two", "_half"] == "_two_half"
    (tmp_path / "hand" / "two.py").write_text("def f():\n    from hand.one import WIDTH\n    return WIDTH\n")
    with pytest.raises(ConfigError, match="f imports from the package inside"):
        sections([("hand.two", "f")])


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Drive with assets and a tiny rendered set on it."""
    drive = tmp_path_factory.mktemp("drive")
    for name in ("hand_model", "network"):
        shutil.copytree(ROOT / "assets" / name, drive / "assets" / name)
    made = drive / "made" / "rendered_hands"
    size = ["--size", "160x120", "--jobs", "1"]
    assert main(["synthesize", "--count", "8", "--seed", "3", "--out", str(made), *size]) == 0
    shutil.make_archive(str(drive / "data" / "rendered_hands"), "zip", made.parent)
    return drive


def run_all(drive: Path, project: Path, **changes: Any) -> str:
    """What the notebook prints when all its cells are run."""
    cells = project.with_name("cells")
    cells.mkdir(exist_ok=True)
    settings = cells / "settings.json"
    values = SETTINGS | {"DRIVE": str(drive), "PROJECT": str(project), "CHANGES": CHANGES | changes}
    settings.write_text(json.dumps(values))
    command = [
        sys.executable,
        str(Path(__file__).with_name("run_notebook.py")),
        str(NOTEBOOK),
        str(settings),
        str(cells),
    ]
    # outside the repository: the notebook may use only what is on the Drive
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=cells, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(1300)
def test_the_notebook_runs_from_end_to_end_and_again_after_a_disconnect(drive: Path, tmp_path: Path) -> None:
    printed = run_all(drive, tmp_path / "machine", steps=3)
    assert "rendered_hands.zip is here and whole" in printed
    assert re.search(r"step +3 .*mpjpe_mm", printed)
    run = drive / "runs" / "tiny"
    for name in ("last.pt", "best.safetensors", "events.jsonl", "report/report.html"):
        assert (run / name).read_bytes() == (tmp_path / "machine" / "runs" / "tiny" / name).read_bytes()
    assert (tmp_path / "machine" / "backup" / "tiny" / "last.pt").is_file()
    assert (tmp_path / "machine" / "runs" / "tiny" / "pictures" / "report_rendered.png").is_file()
    # another machine continues the run
    printed = run_all(drive, tmp_path / "other_machine", steps=5)
    assert f"The run goes on from its copy in {run}" in printed
    assert [event["step"] for event in read_events(run / "events.jsonl")[0] if event["event"] == "run_started"] == [
        0,
        3,
    ]
    assert [step for step, _ in read_history(run).losses] == [1, 2, 3, 4, 5]
    network = load_network(run / "network")
    answer = network.outputs(np.full((1, 3, 64, 64), 100.0, np.float32))
    assert answer["rotations"].shape == (1, 16, 3, 3)
