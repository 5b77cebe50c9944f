"""Files of a data set, and the sentence for one that is missing or damaged: which, what lies there, where to get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hand.checked_files import FILE_FAULTS, LARGE_BYTES, DamagedFileError, fault_of, read_checked
from hand.checked_files import read_json as read_json_values
from hand.errors import DataError
from trainer.recipe.dataset_facts import SetFacts

_MOST_NAMES = 6
"""Of the files that a message lists."""


def read_json(facts: SetFacts, path: Path, meaning: str) -> Any:
    """The content of a JSON file.

    Args:
        facts: of the set.
        path: of the file.
        meaning: what it holds, for the message.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return read_json_values(path, LARGE_BYTES, constants=True)
    except FileNotFoundError:
        raise missing(facts, path, meaning) from None
    except FILE_FAULTS as problem:
        raise broken(facts, f"{path} ({meaning}) is damaged or cut short ({fault_of(problem)})") from None


def read_bytes(facts: SetFacts, path: Path, meaning: str) -> bytes:
    """The bytes of a file.

    Args:
        facts: of the set.
        path: of the file.
        meaning: what it holds, for the message.

    Raises:
        DataError: it is missing.
    """
    try:
        return read_checked(path, LARGE_BYTES)
    except OSError:
        raise missing(facts, path, meaning) from None
    except DamagedFileError as problem:
        raise broken(facts, f"{path} ({meaning}) cannot be read: {problem}") from None


def rendered_with(note: Path) -> str:
    """Digest of the hand model that a rendered set was made with, "" where there is no such note, as in a real set."""
    try:
        return str(read_json_values(note)["hand_model_digest"])
    except FILE_FAULTS:
        return ""


def broken(facts: SetFacts, what: str) -> DataError:
    """The error for files that are missing or not what they should be.

    Args:
        facts: of the set.
        what: which file, what was expected and what was found: a sentence without its full stop.
    """
    return DataError(f"{what}; get {facts.title} from {facts.home}, licence: {facts.licence}.")


def missing(facts: SetFacts, path: Path, wanted: str) -> DataError:
    """The error for a file or folder that is not there; lists what lies beside its place.

    Args:
        facts: of the set.
        path: what is missing.
        wanted: its content.
    """
    return broken(facts, f"{path} ({wanted}) is missing, {folder_content(path.parent)}")


def folder_content(folder: Path) -> str:
    """What a folder holds beside hidden files, in words: "DIR holds a, b and 130 others"."""
    if not folder.is_dir():
        return f"and {folder} is no folder" if folder.exists() else f"and so is its folder {folder}"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir() if path.name[0] != ".")
    if not names:
        return f"{folder} is empty"
    others = f" and {len(names) - _MOST_NAMES} others" if len(names) > _MOST_NAMES else ""
    return f"{folder} holds {', '.join(names[:_MOST_NAMES])}{others}"
