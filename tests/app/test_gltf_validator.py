"""The Khronos glTF validator on exported files; needs ``npm install gltf-validator`` and NODE_PATH to name it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from test_motion import recorded

from app.motion.save import save_motion

_VALIDATE = """
const validator = require('gltf-validator'), bytes = new Uint8Array(require('fs').readFileSync(process.argv[1]));
validator.validateBytes(bytes).then(report => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture(scope="module")
def node() -> str:
    program = shutil.which("node")
    if program is None or subprocess.run([program, "-e", "require('gltf-validator')"], capture_output=True).returncode:
        pytest.skip("the npm package gltf-validator is not installed")
    return program


def test_animated_hands_are_valid_without_a_remark(node: str, tmp_path: Path) -> None:
    (file,) = save_motion(recorded("right", "left"), tmp_path / "motion.glb")
    done = subprocess.run([node, "-e", _VALIDATE, str(file)], capture_output=True, check=True)
    issues = json.loads(done.stdout)
    assert issues["messages"] == []
    (tmp_path / "broken.glb").write_bytes(file.read_bytes()[:-8])
    done = subprocess.run([node, "-e", _VALIDATE, str(tmp_path / "broken.glb")], capture_output=True, check=True)
    assert json.loads(done.stdout)["numErrors"] > 0
