"""Puts the story and the code it needs into a notebook file.

The story is a Python script cut by lines ``# %% [kind]``: "markdown" is prose, "package" the imports that fall away,
"code" the place of the package's code, "settings" what a reader changes, "recipes" what is read from configs/, and the
rest is code as it stands.
"""

from __future__ import annotations

import ast
import json
import pprint
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hand.errors import ConfigError
from trainer.notebook.inline import ROOT, Section, import_lines, is_standard, other_imports, own_imports, sections

STORY: Final = Path(__file__).with_name("story.py")
RECIPES: Final = ("resnet50_mlp", "handformer", "vit", "freihand_resnet18", "freihand_transformer", "debug")
"""Recipes of configs/ that the notebook offers."""

CHAPTERS: Final = {
    "hand": "The hand: its model, its camera, its crops, and how errors are measured",
    "trainer": "Training, evaluation and export",
    "trainer.networks": "The networks",
    "trainer.datasets": "The data sets",
    "trainer.synthetic": "Rendered hands",
    "trainer.recipe": "Recipes",
    "trainer.samples": "Training samples",
    "trainer.training": "Losses, optimizer and training loop",
    "trainer.runs": "Runs",
    "trainer.evaluation": "Evaluation",
    "trainer.serving": "Networks under torch",
    "trainer.notebook": "Backups and verified copies",
    "inference": "Running a trained network",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        kind: "markdown" or "code".
        text: its content.
        tags: marks for programs that run notebooks.
    """

    kind: str
    text: str
    tags: tuple[str, ...] = ()


def notebook_text() -> str:
    """The whole notebook file, the same on every machine and under every version of Python.

    Raises:
        ConfigError: the package has something that cannot be taken out of its module.
    """
    cells: list[dict[str, Any]] = [
        {"id": f"cell-{number:03}", "cell_type": cell.kind, "metadata": _metadata(cell), "source": _lines(cell.text)}
        | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {})
        for number, cell in enumerate(_cells(STORY.read_text(encoding="utf-8")))
    ]
    metadata = {
        "accelerator": "GPU",
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cells(story: str) -> list[Cell]:
    tree = ast.parse(story)
    code, called = sections(own_imports(tree).values())
    _check_names(tree, called)
    always, installed = _imports(tree)
    cells = []
    for kind, text in _blocks(story):
        if kind == "package":
            cells.append(Cell("code", f"from __future__ import annotations\n\n{always}"))
        elif kind == "markdown":
            cells.append(Cell("markdown", _prose(text)))
        elif kind == "code":
            cells += [Cell("markdown", _prose(text)), Cell("code", installed), *_code_cells(code)]
        elif kind == "recipes":
            cells.append(Cell("code", f"RECIPES = {pprint.pformat(_recipes(), width=116, sort_dicts=False)}"))
        else:
            cells.append(Cell("code", text, ("parameters",) if kind == "settings" else ()))
    return cells


def _imports(tree: ast.Module) -> tuple[str, str]:
    """The story's own imports: what every Python has, and what set-up has to install first."""
    statements = set(other_imports(tree).values())
    always = {statement for statement in statements if is_standard(statement)}
    return import_lines(always), import_lines(statements - always)


def _blocks(story: str) -> list[tuple[str, str]]:
    """Kind and text of each part of the story."""
    parts = re.split(r"^# %%(?: \[(\w+)\])?\n", story, flags=re.MULTILINE)[1:]
    return [(kind or "", text.strip("\n")) for kind, text in zip(parts[::2], parts[1::2], strict=True)]


def _prose(text: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())


def _code_cells(code: Sequence[Section]) -> list[Cell]:
    """A heading for every module, with its own words about itself, and its code."""
    cells = []
    chapter = ""
    for section in code:
        place = section.module.rpartition(".")[0]
        if place != chapter:
            chapter = place
            cells.append(Cell("markdown", f"### {CHAPTERS[chapter]}"))
        # the package's prose is reStructuredText in this one respect
        about = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", section.about.replace("``", "`"))
        cells.append(Cell("markdown", f"#### {section.module.replace('.', '/')}.py\n\n{about}"))
        cells.append(Cell("code", section.source))
    return cells


def _recipes() -> dict[str, Any]:
    """The recipes on offer, without the keys of the settings."""
    recipes = {}
    for name in RECIPES:
        content = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        recipes[name] = {key: value for key, value in content.items() if key not in ("name", "sources", "held_out")}
    return recipes


def _check_names(tree: ast.Module, called: dict[tuple[str, str], str]) -> None:
    """A script may not give its own things the names of the package's."""
    own = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    own |= {part.name for part in tree.body if isinstance(part, (ast.FunctionDef, ast.ClassDef))}
    both = sorted(own & set(called.values()))
    if both:
        raise ConfigError(f"{STORY.name} calls something {both[0]!r}, and so does the package; choose another name.")
    renamed = [name for name, key in own_imports(tree).items() if called.get(key) not in (name, None)]
    if renamed:
        raise ConfigError(f"{STORY.name} needs {renamed[0]!r}, a name that several modules use; rename it in one.")


def _metadata(cell: Cell) -> dict[str, Any]:
    return {"tags": list(cell.tags)} if cell.tags else {}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
