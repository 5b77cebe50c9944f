"""README and docs match the repository: links and paths exist, and every command is one that its program accepts."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
from pathlib import Path

import pytest

from app.arguments import build_parser
from trainer.__main__ import COMMANDS
from trainer.__main__ import main as trainer_main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "configs/*.md", "benchmarks/*.md", "tests/*.md", "assets/**/*.md")
    for page in ROOT.glob(pattern)
)
NEEDS_TORCH = {"fit", "finetune", "compare", "features", "evaluate", "data", "export"}
_TOP_FOLDERS = "app|assets|benchmarks|configs|docs|hand|ik_baseline|inference|scripts|tests|trainer"


def commands(page: Path) -> list[str]:
    """Commands in blocks and in line, without comments; continued lines as one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    block = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(python [^`]+|make [^`]+)`", block.sub("", text))
    blocks = [content for language, content in block.findall(text) if language in ("", "bash")]
    lines = [
        *(line for content in blocks for line in content.splitlines()),
        *(part.replace("\n", " ") for part in inline),
    ]
    return [line.split(" #")[0].strip() for line in lines]


ALL_COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in commands(page)})


def test_there_are_pages_and_commands_to_check() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/experiments/own_hand.md"} <= names
    assert sum("main_v2.py" in line for _, line in ALL_COMMANDS) >= 10
    assert sum("-m trainer" in line for _, line in ALL_COMMANDS) >= 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_paths_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in file or file.startswith("mailto:"):
            continue
        linked = (page.parent / file).resolve() if file else page
        if not linked.exists():
            missing.append(target)
        elif anchor and linked.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.casefold()).strip().replace(" ", "-") for heading in headings}
            if anchor not in slugs:
                missing.append(target)
    for path in re.findall(rf"`((?:{_TOP_FOLDERS})/[\w./-]+)`", text):
        if path.startswith(("docs/images/", "assets/", "runs/")):
            continue
        if not (ROOT / path).exists():
            missing.append(path)
    assert missing == []


@pytest.mark.parametrize(("page", "line"), [pair for pair in ALL_COMMANDS if "main_v2.py" in pair[1]])
def test_the_program_accepts_the_command(page: str, line: str) -> None:
    line = line[line.index("main_v2.py") + len("main_v2.py") :]
    words = shlex.split(line)
    if "--help" in words:
        return
    values = {
        "FX,FY,CX,CY": "600,600,320,240",
        "X,Y,W,H": "0,0,1,1",
        "PART": "train",
        "DEGREES": "70",
        "N": "1",
        "P": "9000",
    }
    words = [values.get(word, word) for word in words]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            build_parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{page}: {line}\n{printed.getvalue()}")


def known_options(name: str) -> str:
    """The help of a trainer command."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        trainer_main([*name.split(), "--help"])
    return printed.getvalue()


@pytest.mark.parametrize(("page", "line"), [pair for pair in ALL_COMMANDS if "-m trainer " in pair[1]])
def test_the_trainer_accepts_the_command(page: str, line: str) -> None:
    words = line[line.index("-m trainer ") + len("-m trainer ") :].split("|")[0].split()
    name = words[0]
    assert name in COMMANDS, f"{page}: {line}"
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    options = {re.split(r"[=\]]", word.lstrip("["))[0] for word in words if word.lstrip("[").startswith("--")}
    help_text = known_options(
        f"data {words[1]}" if name == "data" and words[1:2] and words[1] in ("check", "pack") else name
    )
    assert {option for option in options if option not in help_text} == set(), f"{page}: {line}"


@pytest.mark.parametrize(
    ("page", "line"), [pair for pair in ALL_COMMANDS if re.search(r"python\S* (-m|\w+/)", pair[1])]
)
def test_modules_and_scripts_of_commands_exist(page: str, line: str) -> None:
    module = re.search(r"python\S* -m ([\w.]+)", line)
    script = re.search(r"python\S* ((?:benchmarks|scripts)/\S+\.py)", line)
    if module is not None and module[1] not in ("venv", "http.server"):
        assert importlib.util.find_spec(module[1]) is not None, f"{page}: {line}"
        options = set(re.findall(r"(?<!\S)(--[a-z][\w-]*)", line))
        spec = importlib.util.find_spec(module[1])
        assert spec is not None
        if module[1].startswith("benchmarks.") and options:
            assert spec.origin is not None
            source = Path(spec.origin).read_text(encoding="utf-8")
            assert {option for option in options - {"--help"} if f'"{option}"' not in source} == set(), (
                f"{page}: {line}"
            )
    if script is not None:
        assert (ROOT / script[1]).is_file(), f"{page}: {line}"


@pytest.mark.parametrize(("page", "line"), [pair for pair in ALL_COMMANDS if pair[1].startswith("make ")])
def test_targets_of_make_exist(page: str, line: str) -> None:
    targets = [word for word in shlex.split(line)[1:] if "=" not in word]
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = {name for rule in re.findall(r"^([\w\- ]+):", rules, re.MULTILINE) for name in rule.split()}
    assert set(targets) <= known, f"{page}: {line}"
