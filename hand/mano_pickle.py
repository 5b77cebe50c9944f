"""Reads the pickles of this field (MANO, SMPL, HO-3D) without running anything that is inside them.

A pickle is a program: it names functions and calls them. Here every name it may use leads to an inert record
(:class:`Part`) that merely stores its arguments and its state; every other name is refused on sight. Only when the
stream has ended are the records of a few known kinds turned into values, by the code below, which checks each size
against the bytes that are really there. So neither chumpy nor scipy is needed, and nothing can be executed.

What the files contain was gathered from their public readers: arrays, a ``scipy.sparse`` matrix (``J_regressor``), and
chumpy objects: ``Ch`` evaluates to its field ``x``, ``Select`` to ``a.ravel()[idxs].reshape(preferred_shape)``.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, Final

from hand.checked_files import DamagedFileError, read_checked
from hand.errors import ModelFileError, UnsafePickleError
from hand.pickle_parts import Part, PartReader

_MAX_FILE_BYTES: Final = 256 << 20

_ALLOWED: Final = {
    **{
        (f"numpy.{core}.{module}", name): kind
        for core in ("core", "_core")
        for module, name, kind in (
            ("multiarray", "_reconstruct", "array"),
            ("multiarray", "scalar", "scalar"),
            ("numeric", "_frombuffer", "buffer"),
        )
    },
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    **{(module, "_reconstructor"): "reconstructor" for module in ("copy_reg", "copyreg")},
    **{
        (module, name): name
        for module in ("__builtin__", "builtins")
        for name in ("object", "set", "frozenset", "bytes")
    },
    **{
        (f"scipy.sparse.{module}", f"{form}_{kind}"): f"sparse_{form}"
        for form in ("csc", "csr", "coo")
        for module in (form, f"_{form}")
        for kind in ("matrix", "array")
    },
    ("chumpy.ch", "Ch"): "chumpy_value",
    ("chumpy.reordering", "Select"): "chumpy_select",
}
"""Every name that a pickle may use, and what becomes of it; chumpy's other expressions (SMPL body files hold some) are
stored as well, but never evaluated."""


class _InertUnpickler(pickle.Unpickler):
    """Rebuilds containers, numbers and texts; everything that has a name becomes a :class:`Part`."""

    def __init__(self, data: bytes, file_name: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._file_name = file_name
        self._classes: dict[tuple[str, str], type[Part]] = {}

    def find_class(self, module: str, name: str) -> type[Part]:
        key = (module, name)
        kind = _ALLOWED.get(key, "chumpy_other" if module.split(".")[0] == "chumpy" else "")
        if not kind:
            raise UnsafePickleError(
                f"{self._file_name} names {module}.{name}, which is not on the list of what hand data may contain; "
                "nothing of it was executed: delete the file and download it again from its official page."
            )
        if key not in self._classes:
            # a class of its own per file: one pickle cannot touch what the next one is read with
            self._classes[key] = type(name, (Part,), {"__slots__": (), "kind": kind})
        return self._classes[key]

    def persistent_load(self, _: Any) -> Any:
        raise _unsafe_opcode(self._file_name, "a persistent id")


def allowed_pickle_from_bytes(data: bytes, file_name: str) -> dict[str, Any]:
    """Reads a pickle that holds a dictionary of arrays, numbers and texts; nothing in it is executed.

    Python 2 texts are read as latin1. Values of a kind that is not evaluated (other chumpy expressions, arrays of
    Python objects) come out as :class:`hand.pickle_parts.UnreadValue`.

    Args:
        data: the file's bytes.
        file_name: for messages.

    Raises:
        UnsafePickleError: it names something that is not on the allow-list.
        ModelFileError: it is empty, damaged, something other than a pickle, or does not hold a dictionary.
    """
    _refuse_other_formats(data, file_name)
    try:
        _check_opcodes(data, file_name)
        value = PartReader(file_name).value(_InertUnpickler(data, file_name).load())
    except ModelFileError:
        raise
    except RecursionError:
        raise ModelFileError(f"{file_name} is nested too deeply to be hand data; download it again.") from None
    except Exception as error:  # noqa: BLE001 - a damaged stream fails in many ways, and all mean the same
        raise ModelFileError(
            f"{file_name} is damaged or cut short ({type(error).__name__}: {error}); download it again."
        ) from None
    if not isinstance(value, dict):
        raise ModelFileError(
            f"{file_name} should hold a dictionary of named arrays, got {type(value).__name__}; give a MANO file "
            "such as MANO_RIGHT.pkl."
        )
    return {str(key): entry for key, entry in value.items()}


def read_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelFileError: missing, a folder, unreadable, empty or absurdly large.
    """
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; give the file inside it, for example {path / 'MANO_RIGHT.pkl'}.")
    try:
        data = read_checked(path, _MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ModelFileError(f"There is no file {path}; give the path of a MANO .pkl or .npz file.") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
    except DamagedFileError as error:
        raise ModelFileError(f"{path.name} cannot be read: {error}; a hand model has about 4 MiB.") from None
    if not data:
        raise ModelFileError(f"{path.name} is empty; download it again.")
    return data


def _refuse_other_formats(data: bytes, file_name: str) -> None:
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelFileError(
            f"{file_name} is a web page, probably the log-in page of the download; log in on the MANO site first and "
            "download the file again."
        )
    if head.startswith(b"version https://git-lfs"):
        raise ModelFileError(f"{file_name} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`.")
    if data[:1] not in (b"\x80", b"(", b"c", b"}", b"d"):
        raise ModelFileError(
            f"{file_name} is not a pickle (it begins with {data[:12]!r}); give MANO_RIGHT.pkl as downloaded."
        )


def _check_opcodes(data: bytes, file_name: str) -> None:
    """Walks over the stream without acting on it: lengths fit the bytes, and no opcode reaches around the names."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name.startswith("EXT"):
            raise _unsafe_opcode(file_name, "an extension code")
        if opcode.name in ("PERSID", "BINPERSID"):
            raise _unsafe_opcode(file_name, "a persistent id")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument is not None and int(argument) > len(data):
            raise ModelFileError(f"{file_name} reserves memory for {argument} objects that it does not hold.")


def _unsafe_opcode(file_name: str, what: str) -> UnsafePickleError:
    return UnsafePickleError(
        f"{file_name} uses {what}, which hand data never does; nothing of it was executed: download it again from its "
        "official page."
    )
