"""--help of the trainer commands: its layout, and examples that the commands accept."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")


from trainer import average, evaluate, export, fit
from trainer.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
COMMANDS_WITH_EXAMPLES = {"fit": fit, "evaluate": evaluate, "average": average, "export": export}


@pytest.fixture(params=COMMANDS_WITH_EXAMPLES)
def help_text(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main([request.param, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_help_has_usage_and_examples_within_the_line_length(help_text: str) -> None:
    assert re.search(r"usage: python -m trainer \w+", help_text)
    assert "examples:" in help_text
    assert max(map(len, help_text.splitlines())) <= 120


def test_examples_in_the_help_can_be_parsed(help_text: str) -> None:
    lines = help_text[help_text.index("examples:") :].replace("\\\n", " ").splitlines()
    examples = [line.split(" -m trainer ", 1)[1] for line in lines if " -m trainer " in line]
    assert examples
    for example in examples:
        command, *arguments = shlex.split(example)
        options = COMMANDS_WITH_EXAMPLES[command]._parser().parse_args(arguments)
        if getattr(options, "config", None) is not None:
            assert (ROOT / options.config).is_file()


def test_the_overview_names_every_command_of_the_guides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    guides = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert set(re.findall(r"python -m trainer ([a-z-]+)", guides)) <= set(
        re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            OSError(28, "No space left on device", "/a"),
            "evaluate broke off: No space left on device (/a); check the disk",
        ),
        (PermissionError(13, "Permission denied"), "evaluate broke off: Permission denied; check the disk"),
        (MemoryError(), "evaluate ran out of memory"),
    ],
)
def test_system_errors_are_one_line_and_exit_code_2(
    problem: BaseException, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_arguments: object) -> None:
        raise problem

    monkeypatch.setattr(evaluate, "main", broken)
    assert main(["evaluate"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(sentence)
    assert len(error.splitlines()) == 1
