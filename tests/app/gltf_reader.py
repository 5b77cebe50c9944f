"""A small reader of animated GLB files, written from the glTF 2.0 specification alone, for checking exported files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

_COMPONENTS = {5121: np.dtype("<u1"), 5123: np.dtype("<u2"), 5125: np.dtype("<u4"), 5126: np.dtype("<f4")}
_WIDTHS = {"SCALAR": (), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}


class Gltf:
    """A GLB file, evaluated at any time of its only animation."""

    def __init__(self, file: Path) -> None:
        data = file.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        assert size % 4 == binary_size % 4 == 0
        self._binary = data[28 + size : 28 + size + binary_size]

    def array(self, accessor_index: int) -> np.ndarray:
        accessor = self.json["accessors"][accessor_index]
        view = self.json["bufferViews"][accessor["bufferView"]]
        shape = (accessor["count"], *_WIDTHS[accessor["type"]])
        dtype = _COMPONENTS[accessor["componentType"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        values = np.frombuffer(self._binary, dtype, int(np.prod(shape)), start).reshape(shape)
        if "min" in accessor:
            np.testing.assert_allclose(values.reshape(len(values), -1).min(0), accessor["min"], rtol=1e-6)
            np.testing.assert_allclose(values.reshape(len(values), -1).max(0), accessor["max"], rtol=1e-6)
        return values

    def skinned_vertices(self, mesh_name: str, time_s: float) -> np.ndarray:
        """Vertices in the scene, as section 3.7.3.3 of the specification defines skinning."""
        animated = self._animated(time_s)
        index = next(k for k, n in enumerate(self.json["nodes"]) if n.get("name") == mesh_name)
        node = self.json["nodes"][index]
        mesh = self.json["meshes"][node["mesh"]]
        (primitive,) = mesh["primitives"]
        positions = self.array(primitive["attributes"]["POSITION"]).astype(float)
        targets = primitive.get("targets", [])
        weights = animated.get((index, "weights"), mesh.get("weights", np.zeros(len(targets))))
        for weight, target in zip(weights, targets, strict=True):
            positions = positions + weight * self.array(target["POSITION"])
        skin = self.json["skins"][node["skin"]]
        inverse_binds = self.array(skin["inverseBindMatrices"]).swapaxes(1, 2)
        world = self._world_matrices(animated)
        joints = np.array([world[joint] for joint in skin["joints"]]) @ inverse_binds
        total = np.zeros((len(positions), 4, 4))
        for k in range(4):
            if f"JOINTS_{k}" in primitive["attributes"]:
                numbers = self.array(primitive["attributes"][f"JOINTS_{k}"])
                shares = self.array(primitive["attributes"][f"WEIGHTS_{k}"])
                total += np.einsum("vk,vkij->vij", shares, joints[numbers])
        np.testing.assert_allclose(total[:, 3, 3], 1.0, atol=1e-5)  # weights sum to 1
        return (np.einsum("vij,vj->vi", total[:, :3, :3], positions) + total[:, :3, 3]) / total[:, 3, 3:4]

    def faces(self, mesh_name: str) -> np.ndarray:
        node = next(n for n in self.json["nodes"] if n.get("name") == mesh_name)
        (primitive,) = self.json["meshes"][node["mesh"]]["primitives"]
        return self.array(primitive["indices"]).reshape(-1, 3)

    def _animated(self, time_s: float) -> dict[tuple[int, str], np.ndarray]:
        (animation,) = self.json["animations"]
        values = {}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            times, outputs = self.array(sampler["input"]), self.array(sampler["output"])
            assert (np.diff(times) > 0).all()
            outputs = outputs.reshape(len(times), -1)
            path = channel["target"]["path"]
            after = int(np.clip(np.searchsorted(times, time_s), 1, len(times) - 1)) if len(times) > 1 else 0
            before = max(after - 1, 0)
            span = times[after] - times[before]
            share = float(np.clip((time_s - times[before]) / span, 0, 1)) if span > 0 else 0.0
            mixed = (1 - share) * outputs[before] + share * outputs[after]
            if path == "rotation":
                assert outputs[before] @ outputs[after] >= 0  # shortest arc
                mixed = mixed / np.linalg.norm(mixed)
            values[channel["target"]["node"], path] = mixed
        return values

    def _world_matrices(self, animated: dict[tuple[int, str], np.ndarray]) -> dict[int, np.ndarray]:
        nodes = self.json["nodes"]
        world: dict[int, np.ndarray] = {}

        def visit(index: int, parent: np.ndarray) -> None:
            node = nodes[index]
            matrix = np.eye(4)
            matrix[:3, :3] = _rotation(animated.get((index, "rotation"), node.get("rotation", (0, 0, 0, 1))))
            matrix[:3, 3] = animated.get((index, "translation"), node.get("translation", (0, 0, 0)))
            world[index] = parent @ matrix
            for child in node.get("children", []):
                visit(child, world[index])

        for root in self.json["scenes"][self.json["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return world


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
