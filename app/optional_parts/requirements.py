"""Input of the installer: a part's requirements, and the versions that a running program holds."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Final

from app.child_process import PRODUCT_FOLDER
from app.optional_parts.environment import PythonEnvironment, normalised
from app.optional_parts.parts import OptionalPart
from hand.errors import InstallError

_DISTRIBUTION: Final = "handlive"
_EXTRA_MARKER: Final = re.compile(r"""\s*;?\s*(?:and\s+)?extra\s*==\s*["'](?P<extra>[^"']+)["']""")
_NAME: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def part_requirements(part: OptionalPart, product: Path = PRODUCT_FOLDER) -> list[str]:
    """Requirement specifiers (PEP 508) of a part, from ``pyproject.toml`` or else the installed metadata.

    Args:
        part: the part.
        product: the product's folder.

    Raises:
        InstallError: the part is defined in neither place.
    """
    try:
        project = tomllib.loads((product / "pyproject.toml").read_text(encoding="utf-8"))
        found = list(project["project"]["optional-dependencies"][part.name])
    except (OSError, KeyError):
        found = _from_metadata(part.name)
    if not found:
        raise InstallError(
            f"Neither pyproject.toml nor the installed program defines the {part.title} ({part.name!r}); "
            "fetch the program's files anew."
        )
    return found


def version_constraints(environment: PythonEnvironment, product: Path = PRODUCT_FOLDER) -> list[str]:
    """Lines of a constraints file: what is installed stays as it is, what is new comes in the product's own versions.

    Args:
        environment: what is installed in it.
        product: the product's folder, with its ``constraints.txt``.
    """
    installed = environment.installed_versions()
    held = [f"{name}=={version}" for name, version in sorted(installed.items()) if name != _DISTRIBUTION]
    try:
        pinned = (product / "constraints.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        pinned = []
    return held + [line for line in pinned if (name := _name_of(line)) and name not in installed]


def _from_metadata(extra: str) -> list[str]:
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    of_extra = []
    for requirement in requirements:
        marker = _EXTRA_MARKER.search(requirement)
        if marker is not None and marker["extra"] == extra:
            of_extra.append(_EXTRA_MARKER.sub("", requirement).strip())
    return of_extra


def _name_of(line: str) -> str:
    match = _NAME.match(line)
    return "" if match is None else normalised(match[1])
