from __future__ import annotations

import json
import shutil
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.networks.handnet_archive import pack_network, unpack_network
from app.networks.library import NetworkLibrary
from app.networks.live_network import LiveNetwork, LoadedNetwork, load_candidate
from app.networks.trial import try_network
from assets import ASSETS_DIR
from hand.errors import CheckpointError

SHIPPED = ASSETS_DIR / "network"


@pytest.fixture
def library(tmp_path: Path) -> NetworkLibrary:
    return NetworkLibrary(SHIPPED, tmp_path / "networks")


def onnx_package() -> Any:
    return pytest.importorskip("onnx", reason="the training part is not installed")


def rewritten(source: Path, target: Path, extra: dict[str, bytes]) -> Path:
    """A copy of a shared file with entries added or replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in extra:
                new.writestr(name, old.read(name))
        for name, data in extra.items():
            new.writestr(name, data)
    return target


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    file = tmp_path / "mine.handnet"
    pack_network(SHIPPED, file)
    return file


def test_packed_network_can_be_added_loaded_and_deleted(library: NetworkLibrary, shared: Path) -> None:
    entry = library.add(shared)
    for name in ("network.onnx", "network.safetensors", "network.json", "card.md"):
        assert (entry.folder / name).read_bytes() == (SHIPPED / name).read_bytes()
    assert entry.own
    assert entry.tunable
    assert [found.folder for found in library.entries()] == [SHIPPED, entry.folder]
    load_candidate(entry.folder)
    library.delete(entry)
    assert not entry.folder.exists()
    with pytest.raises(CheckpointError, match="part of the program"):
        library.delete(library.entries()[0])


@pytest.mark.parametrize("name", ["../escaped.txt", "/tmp/escaped.txt", "sub/network.onnx", "network.pkl", "run.py"])
def test_archive_with_an_unexpected_entry_is_refused(library: NetworkLibrary, shared: Path, name: str) -> None:
    bad = rewritten(shared, shared.with_name("bad.handnet"), {name: b"boo"})
    with pytest.raises(CheckpointError, match="which no network's file has"):
        library.add(bad)
    assert not list(library.folder.glob("*"))
    assert not (library.folder.parent / "escaped.txt").exists()


def test_zip_bomb_is_refused_before_it_is_unpacked(library: NetworkLibrary, shared: Path) -> None:
    bomb = rewritten(shared, shared.with_name("bomb.handnet"), {"network.safetensors": bytes(300 << 20)})
    assert bomb.stat().st_size < 30 << 20
    with pytest.raises(CheckpointError, match="too large"):
        library.add(bomb)
    assert not list(library.folder.glob("*"))


def test_oversized_card_is_refused(library: NetworkLibrary, shared: Path) -> None:
    words = np.random.default_rng(0).bytes(2 << 20)
    with pytest.raises(CheckpointError, match="too large"):
        library.add(rewritten(shared, shared.with_name("long.handnet"), {"card.md": words}))


def test_archive_with_a_wrong_declared_size_is_refused(library: NetworkLibrary, shared: Path) -> None:
    data = bytearray(shared.read_bytes())
    # the uncompressed size of the first entry, at byte 24 of its central directory header
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    shared.write_bytes(bytes(data))
    with pytest.raises(CheckpointError):
        library.add(shared)
    assert not list(library.folder.glob("*"))


@pytest.mark.parametrize("cut", [0, 10, 5000, -10])
def test_truncated_archive_is_refused(library: NetworkLibrary, shared: Path, cut: int) -> None:
    shared.write_bytes(shared.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="request it again"):
        library.add(shared)
    assert not list(library.folder.glob("*"))


def test_symlink_entry_is_unpacked_as_a_regular_file(library: NetworkLibrary, shared: Path) -> None:
    bad = shared.with_name("link.handnet")
    with zipfile.ZipFile(shared) as old, zipfile.ZipFile(bad, "w") as new:
        for name in ("network.onnx", "network.json"):
            new.writestr(name, old.read(name))
        info = zipfile.ZipInfo("card.md")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        new.writestr(info, "/etc/passwd")
    entry = library.add(bad)
    assert not (entry.folder / "card.md").is_symlink()
    assert entry.card == "/etc/passwd"


def test_model_with_external_data_is_refused(library: NetworkLibrary, shared: Path) -> None:
    onnx = onnx_package()
    model = onnx.load(str(SHIPPED / "network.onnx"))
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../../../../etc/passwd")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    bad = rewritten(shared, shared.with_name("bad.handnet"), {"network.onnx": model.SerializeToString()})
    with pytest.raises(CheckpointError, match="refers to other files"):
        library.add(bad)


def test_a_model_with_foreign_operators_is_refused(library: NetworkLibrary, shared: Path) -> None:
    onnx = onnx_package()
    model = onnx.load(str(SHIPPED / "network.onnx"))
    model.graph.node[0].domain = "com.evil"
    bad = rewritten(shared, shared.with_name("bad.handnet"), {"network.onnx": model.SerializeToString()})
    with pytest.raises(CheckpointError, match="operators of"):
        library.add(bad)


def test_pickled_weights_are_refused_without_unpickling(library: NetworkLibrary, shared: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    evil = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    bad = rewritten(shared, shared.with_name("bad.handnet"), {"network.safetensors": evil})
    with pytest.raises(CheckpointError, match="no safetensors file"):
        library.add(bad)
    assert not mark.exists()


def test_network_is_not_listed_before_its_check(
    library: NetworkLibrary, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {name: (SHIPPED / name).read_bytes() for name in ("network.json", "network.onnx")}
    with zipfile.ZipFile(shared, "w") as file:
        for name, data in first.items():
            file.writestr(name, data)
    found: list[int] = []
    checks = "app.networks.handnet_archive.refuse_unsafe_onnx"
    monkeypatch.setattr(checks, lambda *_: found.append(len(library.entries())))
    library.add(shared)
    assert [*found, len(library.entries())] == [1, 2]


def test_another_schema_is_refused(tmp_path: Path, shared: Path) -> None:
    other = json.dumps(json.loads((SHIPPED / "network.json").read_text()) | {"schema": 99}).encode()
    bad = rewritten(shared, shared.with_name("bad.handnet"), {"network.json": other})
    with pytest.raises(CheckpointError, match="schema"):
        unpack_network(bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_figures_that_are_not_finite_numbers_are_left_out(library: NetworkLibrary, shared: Path) -> None:
    metadata = json.loads((SHIPPED / "network.json").read_text())
    odd = {"a": None, "b": "much", "c": [], "d": True, "e": float("nan"), "f": 10**400, "g": 7, "h": 1.5}
    for name, figures in (("odd", odd), ("list", [1.0]), ("none", None)):
        content = json.dumps(metadata | {"figures": figures}).encode()
        library.add(rewritten(shared, shared.with_name(f"{name}.handnet"), {"network.json": content}))
    figures = {entry.folder.name: entry.figures for entry in library.entries() if entry.own}
    assert figures == {"odd": {"g": 7.0, "h": 1.5}, "list": {}, "none": {}}


def test_failed_deletion_is_reported(library: NetworkLibrary, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    entry = library.add(shared)
    monkeypatch.setattr("app.networks.library.shutil.rmtree", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be deleted \(Permission denied\)"):
        library.delete(entry)


def test_file_name_cannot_escape_the_library_folder(library: NetworkLibrary, shared: Path) -> None:
    strange = shared.with_name("..  a;b ..handnet")
    shutil.copyfile(shared, strange)
    assert library.add(strange).folder.parent == library.folder


def broken(folder: Path, scale: float) -> Path:
    """A copy of the shipped network whose pose layer, the one with 109 outputs, is scaled."""
    shutil.copytree(SHIPPED, folder)
    onnx = onnx_package()
    model = onnx.load(str(folder / "network.onnx"))
    largest = max(
        (tensor for tensor in model.graph.initializer if 109 in tensor.dims),
        key=lambda tensor: np.prod(tensor.dims),
    )
    values = onnx.numpy_helper.to_array(largest) * np.float32(scale)
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    onnx.save(model, str(folder / "network.onnx"))
    return folder


def test_clearly_worse_network_raises_a_doubt(tmp_path: Path) -> None:
    live = load_candidate(SHIPPED)
    assert try_network(live, live).doubts == ()
    trial = try_network(load_candidate(broken(tmp_path / "bad", 40.0)), live)
    assert trial.error_mm > 1.25 * trial.live_error_mm
    assert "clearly worse" in trial.doubts[0]
    assert "report" in try_network(live, live, verdict="worse").doubts[0]


def test_a_network_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        load_candidate(broken(tmp_path / "bad", float("nan")))


def test_swap_and_revert(tmp_path: Path) -> None:
    live = LiveNetwork(SHIPPED)
    first = live.current()
    assert live.revert() is None
    second = LoadedNetwork(tmp_path, first.runtime)
    live.swap(second)
    assert live.current() is second
    assert live.previous is first
    assert live.revert() is first
    assert live.revert() is second


def test_history_is_listed_newest_first_without_a_damaged_line(library: NetworkLibrary) -> None:
    library.note(Path("a"), "first", "start")
    library.note(Path("b"), "second", "swap")
    with (library.folder / "history.jsonl").open("a") as file:
        file.write('{"torn')
    assert [(swap.name, swap.reason) for swap in library.history()] == [("second", "swap"), ("first", "start")]


def test_properties_do_not_block_while_the_network_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    loading, allowed = threading.Event(), threading.Event()
    ready = load_candidate(SHIPPED)

    def slow(*_: object) -> LoadedNetwork:
        loading.set()
        assert allowed.wait(20.0)
        return ready

    monkeypatch.setattr("app.networks.live_network.load_candidate", slow)
    live = LiveNetwork(SHIPPED)
    path = threading.Thread(target=live.current, daemon=True)
    path.start()
    assert loading.wait(20.0)
    assert (live.folder, live.previous, live.note, live.runs_on) == (SHIPPED, None, "", "not loaded yet")
    allowed.set()
    path.join(20.0)
    assert live.current() is ready
