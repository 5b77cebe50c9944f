"""Loading hand model files: official downloads, wrong files, and malicious pickles."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hand.errors import ModelFileError, UnsafePickleError
from hand.joints import TIP_VERTICES
from hand.mano_files import load_hand_model, shape_x_is_negated
from hand.mano_pickle import allowed_pickle_from_bytes
from hand.model import HandModel
from hand.pickle_parts import UnreadValue
from tests.hand.mano_pickles import Ch, mano_fields, python2_pickle, transpose
from tests.hand.toy_model import toy_model


@pytest.fixture(scope="module")
def model() -> HandModel:
    return toy_model(778)


def _write(path: Path, fields: dict[str, Any], protocol: int = 2) -> Path:
    path.write_bytes(python2_pickle(fields, protocol))
    return path


def _assert_same_arrays(one: HandModel, other: HandModel) -> None:
    for key, array in one._arrays().items():
        np.testing.assert_array_equal(array, other._arrays()[key], err_msg=key)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_official_layout_loads_without_chumpy_and_scipy(tmp_path: Path, model: HandModel, protocol: int) -> None:
    path = _write(tmp_path / "MANO_RIGHT.pkl", mano_fields(model), protocol)
    data = path.read_bytes()
    names = [str(argument) for opcode, argument, _ in pickletools.genops(data) if opcode.name == "GLOBAL"]
    assert "chumpy.reordering Select" in names
    assert "scipy.sparse.csc csc_matrix" in names
    assert not any(name.startswith("_codecs") for name in names), "not what Python 2 writes"
    assert "chumpy" not in sys.modules

    loaded = load_hand_model(path)

    assert loaded.side == "right"
    assert loaded.tip_vertices == TIP_VERTICES["smplx"]
    _assert_same_arrays(loaded, model)
    assert loaded.digest == model.digest


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_python3_pickles_of_plain_arrays_load(tmp_path: Path, model: HandModel, protocol: int) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(mano_fields(model, chumpy=False), protocol))
    _assert_same_arrays(load_hand_model(path), model)


def test_pickles_of_numpy_1_and_2_load() -> None:
    data = pickle.dumps({"a": np.arange(6.0).reshape(2, 3), "b": np.float64(2.5)}, 2)
    old = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    assert old != new
    for stream in (old, new):
        fields = allowed_pickle_from_bytes(stream, "x.pkl")
        np.testing.assert_array_equal(fields["a"], np.arange(6.0).reshape(2, 3))
        assert fields["b"] == 2.5


def test_scipys_own_pickles_of_all_three_forms_load() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.random.default_rng(0).normal(size=(5, 7)) * (np.random.default_rng(1).random((5, 7)) < 0.3)
    for form in ("csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array", "coo_array"):
        data = pickle.dumps({"m": getattr(sparse, form)(dense)}, 2)
        np.testing.assert_array_equal(allowed_pickle_from_bytes(data, form)["m"], dense)


def test_array_dtypes_memory_orders_and_byte_orders_are_read() -> None:
    fields = {
        "big_endian": np.arange(4, dtype=">f4"),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "empty": np.zeros((0, 3)),
        "zero_dimensions": np.array(3.5),
        "text": np.array(["ab", "c"]),
        "flags": np.array([True, False]),
        "nested": {"list": [1, None, (2.0, "x")], "none": None},
    }
    for data in (python2_pickle({k: v for k, v in fields.items() if k != "text"}), pickle.dumps(fields, 4)):
        loaded = allowed_pickle_from_bytes(data, "x.pkl")
        for key, value in loaded.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, fields[key])
                assert value.dtype.isnative
    assert loaded["nested"] == fields["nested"]


def test_a_label_file_as_ho3d_writes_it_is_read(tmp_path: Path) -> None:
    label = {
        "handPose": np.linspace(-1, 1, 48),
        "handTrans": np.array([0.1, 0.2, -0.5]),
        "handBeta": None,
        "objName": "021_bleach_cleanser",
        "handBoundingBox": [10, 20, 30, 40],
        "camMat": np.eye(3, dtype=np.float32),
    }
    path = tmp_path / "0000.pkl"
    path.write_bytes(python2_pickle(label))
    loaded = allowed_pickle_from_bytes(path.read_bytes(), path.name)
    assert loaded["objName"] == "021_bleach_cleanser"
    assert loaded["handBeta"] is None
    assert loaded["handBoundingBox"] == [10, 20, 30, 40]
    np.testing.assert_array_equal(loaded["handPose"], label["handPose"])
    assert loaded["camMat"].dtype == np.float32


def test_npz_with_the_same_keys_loads(tmp_path: Path, model: HandModel) -> None:
    fields = mano_fields(model, chumpy=False)
    np.savez(tmp_path / "MANO_RIGHT.npz", **fields)
    _assert_same_arrays(load_hand_model(tmp_path / "MANO_RIGHT.npz"), model)


def test_npz_of_another_mesh_needs_its_own_tips(tmp_path: Path) -> None:
    small = toy_model(300)
    fields = mano_fields(small, chumpy=False)
    np.savez(tmp_path / "hand.npz", **fields)
    with pytest.raises(ModelFileError, match="300 vertices and no field tip_vertices"):
        load_hand_model(tmp_path / "hand.npz")
    np.savez(tmp_path / "hand.npz", **fields, tip_vertices=np.array(small.tip_vertices), name=np.array("mine"))
    loaded = load_hand_model(tmp_path / "hand.npz")
    assert loaded.tip_vertices == small.tip_vertices
    assert (loaded.name, loaded.side) == ("mine", "right")


# ---- sides and tips --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["smplx", "manopth", "freihand", "ho3d"])
def test_tips_follow_the_named_source(tmp_path: Path, model: HandModel, source: str) -> None:
    path = _write(tmp_path / "MANO_RIGHT.pkl", mano_fields(model))
    assert load_hand_model(path, tips=source).tip_vertices == TIP_VERTICES[source]


def test_left_hands_take_manopths_left_tips(tmp_path: Path, model: HandModel) -> None:
    path = _write(tmp_path / "MANO_LEFT.pkl", mano_fields(model.mirrored()))
    assert load_hand_model(path, tips="manopth").tip_vertices == TIP_VERTICES["manopth-left"]
    with pytest.raises(ModelFileError, match="no tip vertices named 'openpose'"):
        load_hand_model(path, tips="openpose")


def test_side_comes_from_the_geometry_when_the_file_name_has_none(tmp_path: Path, model: HandModel) -> None:
    assert load_hand_model(_write(tmp_path / "model.pkl", mano_fields(model))).side == "right"
    assert load_hand_model(_write(tmp_path / "model.pkl", mano_fields(model.mirrored()))).side == "left"


def test_a_name_that_contradicts_the_geometry_is_refused(tmp_path: Path, model: HandModel) -> None:
    path = _write(tmp_path / "MANO_LEFT.pkl", mano_fields(model))
    with pytest.raises(ModelFileError, match="is labelled as a left hand, but its fingers point along -x"):
        load_hand_model(path)


def _with_faulty_left_shape(model: HandModel) -> HandModel:
    left = model.mirrored()
    return replace(left, shape_directions_m=left.shape_directions_m * np.array([-1.0, 1.0, 1.0])[:, None])


def test_negated_shape_x_of_the_official_left_file_is_corrected(tmp_path: Path, model: HandModel) -> None:
    faulty, correct = _with_faulty_left_shape(model), model.mirrored()
    # the usual check of programs that load both files: x is equal although the hands are mirror images
    assert np.abs(faulty.shape_directions_m[:, 0] - model.shape_directions_m[:, 0]).sum() < 1
    assert shape_x_is_negated(faulty) is True
    assert shape_x_is_negated(correct) is False
    assert shape_x_is_negated(model) is False

    path = _write(tmp_path / "MANO_LEFT.pkl", mano_fields(faulty))
    np.testing.assert_array_equal(load_hand_model(path).shape_directions_m, correct.shape_directions_m)
    as_is = load_hand_model(path, left_shape_sign="as_in_file")
    np.testing.assert_array_equal(as_is.shape_directions_m, faulty.shape_directions_m)
    path = _write(tmp_path / "MANO_LEFT.pkl", mano_fields(correct))
    np.testing.assert_array_equal(load_hand_model(path).shape_directions_m, correct.shape_directions_m)


def test_ambiguous_shape_sign_is_kept_and_logged(
    tmp_path: Path, model: HandModel, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(3).normal(0.0, 0.001, model.shape_directions_m.shape).astype(np.float32)
    unclear = replace(model.mirrored(), shape_directions_m=noise.astype(np.float64))
    path = _write(tmp_path / "MANO_LEFT.pkl", mano_fields(unclear))
    np.testing.assert_array_equal(load_hand_model(path).shape_directions_m, unclear.shape_directions_m)
    assert "sign of x" in caplog.text
    forced = load_hand_model(path, left_shape_sign="negate_x").shape_directions_m
    np.testing.assert_array_equal(forced[:, 0], -unclear.shape_directions_m[:, 0])


# ---- wrong files -----------------------------------------------------------------------------------------------------


def _smpl_body() -> dict[str, Any]:
    parents = np.arange(24) - 1
    return {
        "J": transpose(np.zeros((24, 3))),
        "J_regressor": np.zeros((24, 6890)),
        "kintree_table": np.stack([parents % 2**32, np.arange(24)]).astype(np.uint32),
        "v_template": Ch(np.zeros((6890, 3))),
        "shapedirs": Ch(np.zeros((6890, 3, 10))),
        "posedirs": Ch(np.zeros((6890, 3, 9))),
        "weights": Ch(np.zeros((6890, 24))),
        "f": np.zeros((13776, 3), np.uint32),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "is a web page"),
        (b"\n  <html lang='en'>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (b"Dear user, this is a text file.\n", "is not a pickle"),
        (b"\x89PNG\r\n\x1a\n", "is not a pickle"),
        (pickle.dumps([1, 2, 3]), "should hold a dictionary"),
        (pickle.dumps({}), "has no field v_template"),
        (pickle.dumps({"handPose": None}), "its fields are handPose"),
        (b"PK\x03\x04 and then nothing", "is damaged"),
    ],
)
def test_wrong_file_raises_an_error_naming_its_kind(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_hand_model(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_missing_files_and_folders_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no file"):
        load_hand_model(tmp_path / "MANO_RIGHT.pkl")
    with pytest.raises(ModelFileError, match="is a folder"):
        load_hand_model(tmp_path)


def test_a_zip_archive_of_the_download_is_recognised(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mano_v1_2.zip", "w") as archive:
        archive.writestr("mano_v1_2/models/MANO_RIGHT.pkl", b"x")
    with pytest.raises(ModelFileError, match="unpack it"):
        load_hand_model(tmp_path / "mano_v1_2.zip")


def test_a_body_model_is_recognised(tmp_path: Path) -> None:
    path = _write(tmp_path / "SMPL_NEUTRAL.pkl", _smpl_body())
    with pytest.raises(ModelFileError, match=r"no field hands_mean .it seems to be a body"):
        load_hand_model(path)
    fields = {**_smpl_body(), "hands_mean": np.zeros(45), "hands_components": np.eye(45)}
    with pytest.raises(ModelFileError, match=r"MANO's 16 parents.*got 24.*not SMPL"):
        load_hand_model(_write(path, fields))
    assert isinstance(allowed_pickle_from_bytes(path.read_bytes(), path.name)["J"], UnreadValue)


@pytest.mark.parametrize("keep", [1, 20, 0.01, 0.3, 0.99])
def test_a_truncated_download_is_damaged(tmp_path: Path, model: HandModel, keep: float) -> None:
    data = python2_pickle(mano_fields(model))
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        load_hand_model(path)


def test_flipped_bytes_raise_model_file_error_or_nothing() -> None:
    data = python2_pickle(mano_fields(toy_model(160)))
    random = np.random.default_rng(5)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        broken = bytearray(data)
        for place in random.integers(0, 4000, 3):
            broken[place] = random.integers(256)
        try:
            allowed_pickle_from_bytes(bytes(broken), "x.pkl")
            outcomes["read"] += 1
        except ModelFileError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 20


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("v_template", np.zeros((778, 2)), r"v_template should be an array of shape \(778, 3\), got shape \(778, 2\)"),
        ("v_template", "text", r"v_template should be an array of floating-point numbers, got str"),
        (
            "v_template",
            np.zeros((778, 3), int),
            r"v_template should be an array of floating-point numbers, got type int",
        ),
        ("shapedirs", np.zeros((778, 3, 9)), r"shapedirs should be an array of shape \(778, 3, 10\), got .*9\)"),
        ("shapedirs", transpose(np.zeros(3)), r"shapedirs should be an array of floating-point numbers, got transpose"),
        ("posedirs", np.zeros((778, 3, 207)), r"posedirs should be an array of shape"),
        ("posedirs", np.full((778, 3, 135), np.nan), r"posedirs should be finite numbers"),
        ("J_regressor", np.zeros((16, 778)), r"J_regressor should be rows that sum to 1"),
        ("weights", np.full((778, 16), 0.5), r"weights should be rows that sum to 1"),
        ("weights", np.zeros((778, 24)), r"weights should be an array of shape \(778, 16\)"),
        ("f", np.full((5, 3), 778, np.uint32), r"f should be vertex numbers from 0 to 777"),
        ("f", np.zeros((5, 4), np.uint32), r"f should be whole-number triangles"),
        ("f", np.zeros((5, 3)), r"f should be an array of whole numbers, got type float64"),
        ("kintree_table", np.zeros((2, 16), np.uint32), r"kintree_table should hold MANO's 16 parents"),
        ("kintree_table", np.zeros(16, np.uint32), r"kintree_table should be an array of shape \(2, 16\)"),
        ("hands_mean", np.zeros(48), r"hands_mean should be an array of shape \(45,\)"),
        ("hands_components", np.eye(44), r"hands_components should be an array of shape \(45, 45\)"),
        ("hands_components", [[1.0, 2.0], [3.0]], r"hands_components should be .* got rows of different length"),
        ("v_template", np.full((778, 3), 1.0) * np.arange(3), r"v_template should be a hand of 0.05 to 0.5 m"),
    ],
)
def test_the_message_names_the_field_and_what_was_expected(
    tmp_path: Path, model: HandModel, key: str, value: Any, message: str
) -> None:
    path = _write(tmp_path / "MANO_RIGHT.pkl", {**mano_fields(model), key: value})
    with pytest.raises(ModelFileError, match=message):
        load_hand_model(path)


@pytest.mark.parametrize("key", ["weights", "kintree_table", "hands_components", "f"])
def test_a_missing_field_is_named(tmp_path: Path, model: HandModel, key: str) -> None:
    fields = mano_fields(model)
    del fields[key]
    with pytest.raises(ModelFileError, match=f"has no field {key}"):
        load_hand_model(_write(tmp_path / "MANO_RIGHT.pkl", fields))


def test_an_npz_with_python_objects_is_refused(tmp_path: Path, model: HandModel) -> None:
    fields = {**mano_fields(model, chumpy=False), "weights": np.array([{}, []], dtype=object)}
    np.savez(tmp_path / "hand.npz", **fields)
    with pytest.raises(ModelFileError, match="field weights should be an array of floating-point numbers, got a"):
        load_hand_model(tmp_path / "hand.npz")


def test_npz_with_a_sparse_field_is_refused_with_instructions(tmp_path: Path, model: HandModel) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    fields = mano_fields(model, chumpy=False)
    np.savez(tmp_path / "hand.npz", **{**fields, "J_regressor": sparse.csc_matrix(fields["J_regressor"])})
    with pytest.raises(ModelFileError, match=r"J_regressor.*scipy\.sparse.*save it as J_regressor\.toarray\(\)"):
        load_hand_model(tmp_path / "hand.npz")
    np.savez(tmp_path / "hand.npz", **fields, comment=np.array({"any": "object"}, dtype=object))
    assert load_hand_model(tmp_path / "hand.npz").vertex_count == model.vertex_count


def _compressed(path: Path, model: HandModel) -> bytearray:
    np.savez_compressed(path, **mano_fields(model, chumpy=False))
    return bytearray(path.read_bytes())


def _start_of(member: zipfile.ZipInfo, data: bytearray) -> int:
    """Where a member's own bytes begin: its local header has the lengths of its name and extra field."""
    name, extra = struct.unpack_from("<HH", data, member.header_offset + 26)
    return member.header_offset + 30 + name + extra


def _with_damaged_stream(path: Path, model: HandModel) -> bytes:
    data = _compressed(path, model)
    with zipfile.ZipFile(path) as archive:
        start = _start_of(archive.infolist()[0], data)
    data[start : start + 8] = b"\xff" * 8
    return bytes(data)


def _flagged_as_encrypted(path: Path, model: HandModel) -> bytes:
    data = _compressed(path, model)
    with zipfile.ZipFile(path) as archive:
        data[archive.infolist()[0].header_offset + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _with_torn_array_header(path: Path, model: HandModel) -> bytes:
    fields = io.BytesIO()
    np.save(fields, np.zeros(3))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v_template.npy", fields.getvalue().replace(b"}", b"("))
    return path.read_bytes()


@pytest.mark.parametrize("damaged", [_with_damaged_stream, _flagged_as_encrypted, _with_torn_array_header])
def test_damaged_npz_is_refused(tmp_path: Path, model: HandModel, damaged: Callable[[Path, HandModel], bytes]) -> None:
    path = tmp_path / "hand.npz"
    path.write_bytes(damaged(path, model))
    with pytest.raises(ModelFileError, match="is damaged") as caught:
        load_hand_model(path)
    assert "\n" not in str(caught.value)


# ---- hostile files: none of their code may run -----------------------------------------------------------------------


class _Call:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def _hostile_pickles(witness: Path) -> dict[str, bytes]:
    touch = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    # NumPy 1 and 2 write different module names
    array = pickle.dumps({"v_template": np.zeros(3)}, 2).replace(b"numpy._core.", b"numpy.core.")
    return {
        "os.system": pickle.dumps({"v_template": _Call(os.system, f"touch {witness}")}, 2),
        "builtins.eval": pickle.dumps(_Call(eval, touch), 2),
        "builtins.exec, protocol 4": pickle.dumps([_Call(exec, touch)], 4),
        "nested getattr": pickle.dumps(_Call(getattr, _Call(__import__, "os"), "system"), 2),
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        "dotted name, other module": b"\x80\x04\x8c\x08builtins\x8c\x0bobject.eval\x93.",
        "numpy.load": pickle.dumps(_Call(np.load, str(witness), None, True), 2),
        "numpy's test runner": b"cnumpy.testing._private.utils\nrunstring\n(S'" + touch.encode() + b"'\n}tR.",
        "old INST opcode": b"(S'touch " + str(witness).encode() + b"'\nios\nsystem\n.",
        "a call of ndarray.tofile": array.replace(b"numpy.core.multiarray\n_reconstruct", b"numpy\nndarray.tofile"),
        "an extension code": b"\x80\x02\x82\x01.",
        "a persistent id": b"\x80\x02U\x01xQ.",
        "chumpy through a lookalike": b"cchumpyx.ch\nCh\n(tR.",
        "scipy's loader": b"cscipy.sparse\nload_npz\n(S'x'\ntR.",
        "copyreg's registry": b"ccopy_reg\nadd_extension\n(S'os'\nS'system'\nI1\ntR.",
    }


@pytest.mark.parametrize("which", list(_hostile_pickles(Path("x"))))
def test_hostile_pickles_are_refused_and_do_not_run(tmp_path: Path, which: str) -> None:
    witness = tmp_path / "it-ran"
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(_hostile_pickles(witness)[which])
    with pytest.raises(UnsafePickleError, match="nothing of it was executed") as caught:
        load_hand_model(path)
    assert not witness.exists()
    assert "\n" not in str(caught.value)


def test_hostile_pickle_runs_in_the_standard_unpickler(tmp_path: Path) -> None:
    """Shows that the test above can fail."""
    witness = tmp_path / "it-ran"
    pickle.loads(_hostile_pickles(witness)["builtins.eval"])
    assert witness.exists()


def test_allowed_names_are_never_called() -> None:
    """REDUCE on an allowed name only records the call: no array is made, nothing is encoded, no class is changed."""
    huge = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR."
    with pytest.raises(ModelFileError, match="an array without content"):
        allowed_pickle_from_bytes(huge, "x.pkl")
    for stream in (
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"c_codecs\nencode\n(S'abc'\nS'os.system'\ntR.",
        b"cnumpy\nndarray\n(I1000000\nI1000000\ntR.",
        b"cnumpy\nndarray\n(dS'x'\nI1\nsb.",  # BUILD on the class itself
        b"cchumpy.ch\nCh\n.",
        b"(cnumpy\nndarray\nI1\no.",
    ):
        with pytest.raises(ModelFileError):
            allowed_pickle_from_bytes(stream, "x.pkl")
    assert np.ndarray((2,)).shape == (2,)


def _dictionary_with(value_stream: bytes) -> bytes:
    return b"(dS'v'\n" + value_stream + b"s."


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        # a shape far larger than its bytes
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
            b"(I1\n(I1000000\nI1000000\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS'abcdefgh'\ntb",
            "with 8 bytes instead of 8000000000000",
        ),
        # a string type with a huge item size
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'S999999999'\ntRS'a'\ntR", "an array of type"),
        # a record type, which could hide objects
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'V8'\ntRS'abcdefgh'\ntR", "an array of type 'V8'"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\ntRS'abcdefgh'\ntR", "an array of type 'O8'"),
        # a sparse matrix whose dense form takes terabytes
        (b"cscipy.sparse.csc\ncsc_matrix\n(tR(dS'_shape'\n(I1000000\nI1000000\ntsb", "more memory than hand data"),
    ],
)
def test_memory_bombs_are_refused(stream: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        allowed_pickle_from_bytes(_dictionary_with(stream), "x.pkl")


def test_a_memo_index_cannot_reserve_memory() -> None:
    with pytest.raises(ModelFileError, match="reserves memory"):
        allowed_pickle_from_bytes(b"\x80\x02}r\xff\xff\xff\x7f.", "x.pkl")


def test_shared_structures_are_evaluated_once() -> None:
    """A few bytes that describe 2**60 entries by sharing ("billion laughs") take no time."""
    stream = b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (k + 1, k, k) for k in range(60)) + b"."
    with pytest.raises(ModelFileError, match="should hold a dictionary"):
        allowed_pickle_from_bytes(stream, "x.pkl")


def test_deep_nesting_is_refused_and_self_reference_is_read() -> None:
    with pytest.raises(ModelFileError, match="nested too deeply"):
        allowed_pickle_from_bytes(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "x.pkl")
    loop: dict[str, Any] = {}
    loop["me"] = loop
    assert allowed_pickle_from_bytes(pickle.dumps(loop, 2), "x.pkl")["me"]["me"] is not None


def test_one_file_cannot_change_how_the_next_is_read(model: HandModel) -> None:
    attack = io.BytesIO(b"\x80\x02cchumpy.ch\nCh\n}U\x04kindU\x05arrays\x86b.")
    with pytest.raises(ModelFileError):
        allowed_pickle_from_bytes(attack.getvalue(), "x.pkl")
    np.testing.assert_array_equal(
        allowed_pickle_from_bytes(python2_pickle({"a": Ch(np.arange(3.0))}), "y.pkl")["a"], np.arange(3.0)
    )
