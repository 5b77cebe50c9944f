"""Takes out of the package the code that a script needs, as sections that can be run one after the other.

A notebook has one namespace where the package has modules, so imports between modules fall away. Only definitions that
the script reaches are taken, with their comments. A name that two modules use for two things gets the module's name
before it; everything else stays as it is written.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from hand.errors import ConfigError

ROOT: Final = Path(__file__).resolve().parents[2]
"""Where the rooms of the package are."""

ROOMS: Final = ("hand", "inference", "trainer")
PLACE_OF_ASSETS: Final = ("Path(__file__).resolve().parent.parent", "PROJECT")
"""The one value that a notebook cannot compute: the place of the assets; a variable of its own sets it."""


@dataclass(frozen=True, slots=True)
class Section:
    """The code of one module.

    Attributes:
        module: its name.
        about: its docstring.
        source: what is needed of it, ready to run after the sections before.
    """

    module: str
    about: str
    source: str


@dataclass(eq=False)
class _Module:
    """A module of the package, cut into statements."""

    name: str
    taken: set[int] = field(default_factory=set)

    @cached_property
    def path(self) -> Path:
        path = ROOT.joinpath(*self.name.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse("\n".join(self.lines))

    @cached_property
    def defined(self) -> dict[str, int]:
        """Names defined at the top, with the number of their statement."""
        return {name: number for number, node in enumerate(self.tree.body) for name in _names_defined(node)}

    @cached_property
    def mentions(self) -> list[set[str]]:
        """Names that each statement mentions."""
        return [{part.id for part in ast.walk(node) if isinstance(part, ast.Name)} for node in self.tree.body]

    @cached_property
    def own_imports(self) -> dict[str, tuple[str, str]]:
        """Names taken from other modules of the package: module and name there."""
        return own_imports(self.tree)

    @cached_property
    def other_imports(self) -> dict[str, str]:
        """Names taken from libraries, with a statement that does it for this name alone."""
        return other_imports(self.tree)

    def used(self) -> set[str]:
        """All names that what is taken of this module mentions."""
        return {name for number in self.taken for name in self.mentions[number]}

    def neighbours(self) -> set[str]:
        """Modules that what is taken of this module needs."""
        return {self.own_imports[name][0] for name in self.used() & set(self.own_imports)}


def own_imports(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Names that a script takes from modules of the package: module and name there.

    Raises:
        ConfigError: a whole module is imported, so that the needed names are unknown.
    """
    found = {}
    for node in ast.walk(tree):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if not any(module.split(".")[0] in ROOMS for module in modules):
            continue
        if not isinstance(node, ast.ImportFrom) or node.module in ROOMS:
            raise ConfigError(f"The notebook cannot take in `{ast.unparse(node)}`; write `from module import name`.")
        for alias in node.names:
            found[alias.asname or alias.name] = (modules[0], alias.name)
    return found


def other_imports(tree: ast.Module) -> dict[str, str]:
    """Names that a script takes from libraries at its top, with a statement that does it for this name alone."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = ast.unparse(ast.Import([alias]))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in (*ROOMS, "__future__"):
            for alias in node.names:
                found[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
    return found


def sections(entries: Iterable[tuple[str, str]]) -> tuple[list[Section], dict[tuple[str, str], str]]:
    """The code behind some names, each module after those it needs.

    Args:
        entries: module and name there.

    Returns:
        The sections, and what every taken name is called in them.

    Raises:
        ConfigError: the package has something that cannot be taken out of its module.
    """
    modules: dict[str, _Module] = {}
    for module, name in entries:
        _take(modules, module, name)
    called = _names_in_one_place(modules)
    ordered = _after_what_it_needs(modules)
    return [
        Section(module.name, ast.get_docstring(module.tree) or "", _source(module, called)) for module in ordered
    ], called


def _take(modules: dict[str, _Module], module_name: str, name: str) -> None:
    module = modules.setdefault(module_name, _Module(module_name))
    if name in module.own_imports:
        _take(modules, *module.own_imports[name])
        return
    if name not in module.defined:
        raise ConfigError(f"{module.path} does not define {name!r} at its top, so the notebook cannot take it in.")
    number = module.defined[name]
    if number in module.taken:
        return
    module.taken.add(number)
    node = module.tree.body[number]
    inner = [part for part in ast.walk(node) if isinstance(part, (ast.Import, ast.ImportFrom))]
    if any(own_imports(part) for part in inner):
        raise ConfigError(
            f"{module.path}: {name} imports from the package inside, which a notebook cannot; move it up."
        )
    for used in sorted(module.mentions[number]):
        if used in module.defined or used in module.own_imports:
            _take(modules, module_name, used)


def _names_in_one_place(modules: Mapping[str, _Module]) -> dict[tuple[str, str], str]:
    """What each taken definition is called where all of them are in one place."""
    taken = [(m.name, name) for m in modules.values() for name, number in m.defined.items() if number in m.taken]
    imported: dict[str, set[str]] = {}
    for module in modules.values():
        for name in module.used() & set(module.other_imports):
            imported.setdefault(name, set()).add(module.other_imports[name])
    for name, statements in imported.items():
        if len(statements) > 1:
            raise ConfigError(
                f"The package means {len(statements)} things by {name!r}: {'; '.join(sorted(statements))}."
            )
    owners = Counter([*(name for _, name in taken), *imported])
    return {key: _with_module(*key) if owners[key[1]] > 1 else key[1] for key in taken}


def _with_module(module: str, name: str) -> str:
    """``hand.anatomy._unit`` becomes ``_anatomy_unit``."""
    stem = module.rpartition(".")[2]
    private = "_" if name.startswith("_") else ""
    return f"{private}{stem.upper() if name.isupper() else stem}_{name.lstrip('_')}"


def _after_what_it_needs(modules: Mapping[str, _Module]) -> list[_Module]:
    """Modules in an order in which each comes after those it needs, those of one folder together where that can be.

    What is needed first comes first: the hand, then what depends on the hand alone, then what combines it.
    """
    waiting = {name: module.neighbours() & set(modules) - {name} for name, module in sorted(modules.items())}
    ordered: list[_Module] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs & set(waiting)]
        if not ready:
            raise ConfigError(f"These modules need each other, so none can come first: {', '.join(waiting)}.")
        here = _folder(ordered[-1].name) if ordered else ""
        chosen = min(ready, key=lambda name: (_folder(name) != here, _rank(_folder(name)), name))
        del waiting[chosen]
        ordered.append(modules[chosen])
    return ordered


def _folder(module: str) -> str:
    return module.rpartition(".")[0]


def _rank(folder: str) -> tuple[int, int, str]:
    # inner folders of a room are its parts, and the room itself puts them together
    return ROOMS.index(folder.partition(".")[0]), -folder.count("."), folder


def _source(module: _Module, called: Mapping[tuple[str, str], str]) -> str:
    """What is taken of a module, under the names that hold everywhere."""
    source = import_lines({module.other_imports[name] for name in module.used() & set(module.other_imports)})
    before = -1
    for number in sorted(module.taken):
        start, end = _lines_of(module, number)
        # statements that followed each other keep their distance
        blank = start - _lines_of(module, before)[1] - 1 if number - 1 == before >= 0 else 2
        source += "\n" * (blank + 1) + "\n".join(module.lines[start - 1 : end])
        before = number
    for local, key in _keys(module, called).items():
        if called[key] != local:
            # not an attribute, and not a keyword argument
            source = re.sub(rf"(?<![\w.]){re.escape(local)}(?!\w)(?!=(?!=))", called[key], source)
    return source.replace(*PLACE_OF_ASSETS).strip("\n")


def import_lines(statements: Iterable[str]) -> str:
    """Imports as people write them: what every Python has before the rest, and one line for each module."""
    names: dict[str, list[str]] = {}
    whole = []
    for statement in sorted(statements):
        library, taken, name = statement.partition(" import ")
        if taken:
            names.setdefault(library, []).append(name)
        else:
            whole.append(statement)
    lines = [*whole, *(f"{library} import {', '.join(some)}" for library, some in names.items())]
    groups = ([line for line in lines if is_standard(line) is standard] for standard in (True, False))
    return "\n\n".join("\n".join(group) for group in groups if group)


def is_standard(statement: str) -> bool:
    """Whether every Python has what an import takes."""
    return statement.split()[1].split(".")[0] in sys.stdlib_module_names


def _lines_of(module: _Module, number: int) -> tuple[int, int]:
    """First and last line of a statement, with the comments before it and, behind a constant, the words about it."""
    node = module.tree.body[number]
    start = min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
    while module.lines[start - 2].startswith("#"):
        start -= 1
    following = module.tree.body[number + 1 : number + 2]
    words = [node for node in following if _is_text(node)]
    last = words[0] if words and isinstance(node, (ast.Assign, ast.AnnAssign)) else node
    return start, last.end_lineno or last.lineno


def _keys(module: _Module, called: Mapping[tuple[str, str], str]) -> dict[str, tuple[str, str]]:
    """The names a module uses of the package's definitions, with where they are defined."""
    own = {name: (module.name, name) for name in module.defined if (module.name, name) in called}
    used = module.used()
    return own | {name: key for name, key in module.own_imports.items() if key in called and name in used}


def _names_defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
