"""A motion as animated GLB (binary glTF 2.0): the skinned hand, as Blender, Unity, Unreal and browsers open it.

The skeleton is MANO's, the skin its weights, and its pose correctives are morph targets, so that no vertex of a frame
is farther than :data:`LARGEST_ERROR_M` from that of ``hand.layer``. Metres, y up; the scene is in the camera's view.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from pygltflib import (
    GLTF2,
    Animation,
    AnimationChannel,
    AnimationChannelTarget,
    AnimationSampler,
    Asset,
    Attributes,
    Material,
    Mesh,
    Node,
    PbrMetallicRoughness,
    Primitive,
    Scene,
    Skin,
)

from app.machine import product_version
from app.motion.axes import CAMERA_TO_SCENE_XYZW, rotations_of, steady_quaternions
from app.motion.correctives import Correctives, principal_correctives
from app.motion.glb_buffer import GlbBuffer
from app.motion.motion import HandTrack, Motion
from hand.atomic_file import write_bytes_atomically
from hand.joints import MANO_JOINT_NAMES, MANO_PARENTS
from hand.layer import HandLayer, ShapedHand
from hand.model import HandModel
from hand.normals import vertex_normals

LARGEST_ERROR_M: Final = 1e-4
"""A tenth of a millimetre: :data:`app.motion.correctives.TOLERANCE_M`, the weights left out, and 32-bit numbers."""

LEAST_WEIGHT: Final = 1e-3
"""Joints that move a vertex less than this are left out: many programs read few joints per vertex."""

_JOINTS_PER_SET = 4
_SKIN_COLOR = [0.83, 0.62, 0.50, 1.0]


def write_glb(motion: Motion, file: Path) -> None:
    """Writes the file, with one mesh, skeleton and animation for all hands of the motion.

    Raises:
        OSError: the file cannot be written.
    """
    write_bytes_atomically(file, glb_bytes(motion))


def glb_bytes(motion: Motion) -> bytes:
    """The content of the file."""
    document = GLTF2(asset=Asset(version="2.0", generator=f"handlive {product_version()}"), scene=0)
    document.scenes = [Scene(name="camera view", nodes=[])]
    skin_material = PbrMetallicRoughness(baseColorFactor=_SKIN_COLOR, metallicFactor=0.0, roughnessFactor=0.6)
    document.materials = [Material(name="skin", pbrMetallicRoughness=skin_material)]
    document.animations = [Animation(name="motion", channels=[], samplers=[])]
    buffer = GlbBuffer(document)
    for track in motion.tracks:
        _HandWriter(document, buffer, motion.model_of(track), track).write()
    buffer.finish()
    return b"".join(document.save_to_bytes())


class _HandWriter:
    """Adds one hand to a document."""

    def __init__(self, document: GLTF2, buffer: GlbBuffer, model: HandModel, track: HandTrack) -> None:
        self._document = document
        self._buffer = buffer
        self._model = model
        self._track = track

    def write(self) -> None:
        track, document = self._track, self._document
        rest = HandLayer(self._model, np.float64).shaped(track.shape)
        correctives = principal_correctives(self._model, track.poses_rad)
        joints = self._add_skeleton(rest)
        skin = self._add_skin(rest, joints)
        document.meshes.append(self._mesh(rest, correctives))
        mesh_node = Node(name=f"{track.side}_hand_mesh", mesh=len(document.meshes) - 1, skin=skin)
        document.nodes.append(mesh_node)
        document.scenes[0].nodes.append(len(document.nodes) - 1)
        self._animate(joints, len(document.nodes) - 1, correctives)

    def _add_skeleton(self, rest: ShapedHand) -> list[int]:
        """The joints as nodes, under one that turns camera axes into those of the scene; returns their numbers."""
        nodes, side = self._document.nodes, self._track.side
        root = len(nodes)
        nodes.append(Node(name=f"{side}_hand", rotation=list(CAMERA_TO_SCENE_XYZW), children=[root + 1]))
        self._document.scenes[0].nodes.append(root)
        numbers = [root + 1 + joint for joint in range(16)]
        for joint, name in enumerate(MANO_JOINT_NAMES):
            node = Node(name=f"{side}_{name}", translation=rest.bones_m[joint].tolist(), children=None)
            children = [numbers[child] for child, parent in enumerate(MANO_PARENTS) if parent == joint]
            if children:
                node.children = children
            nodes.append(node)
        return numbers

    def _add_skin(self, rest: ShapedHand, joints: list[int]) -> int:
        # column by column: the translation is the last four numbers
        inverse_bind = np.tile(np.eye(4, dtype=np.float32), (16, 1, 1))
        inverse_bind[:, 3, :3] = -rest.joints_m
        matrices = self._buffer.add(inverse_bind)
        skin = Skin(name=f"{self._track.side}_hand", joints=joints, inverseBindMatrices=matrices)
        self._document.skins.append(skin)
        return len(self._document.skins) - 1

    def _mesh(self, rest: ShapedHand, correctives: Correctives) -> Mesh:
        buffer = self._buffer
        vertices = (rest.vertices_m + correctives.offset_m).astype(np.float32)
        faces = np.asarray(self._model.faces)
        attributes = Attributes(
            POSITION=buffer.add(vertices, vertices=True, bounds=True),
            NORMAL=buffer.add(_unit(vertex_normals(rest.vertices_m.astype(np.float32), faces)), vertices=True),
        )
        for index, (numbers, weights) in enumerate(joint_sets(self._model.skinning_weights)):
            setattr(attributes, f"JOINTS_{index}", buffer.add(numbers, vertices=True))
            setattr(attributes, f"WEIGHTS_{index}", buffer.add(weights, vertices=True))
        targets = [
            Attributes(POSITION=buffer.add(target.astype(np.float32), vertices=True, bounds=True))
            for target in correctives.targets_m
        ]
        indices = buffer.add(faces.astype(np.uint32).reshape(-1), indices=True)
        primitive = Primitive(attributes=attributes, indices=indices, material=0, targets=targets or None)
        mesh = Mesh(name=f"{self._track.side}_hand", primitives=[primitive])
        if targets:
            mesh.weights = correctives.rest_weights.tolist()  # without the animation it is the hand at rest
            mesh.extras = {"targetNames": [f"corrective_{number + 1}" for number in range(len(targets))]}
        return mesh

    def _animate(self, joints: list[int], mesh_node: int, correctives: Correctives) -> None:
        track, buffer = self._track, self._buffer
        times = buffer.add(track.times_s.astype(np.float32), bounds=True)
        for joint, node in enumerate(joints):
            turns = steady_quaternions(rotations_of(track.poses_rad, joint))
            self._channel(times, buffer.add(turns.astype(np.float32)), node, "rotation")
        self._channel(times, buffer.add(track.wrists_m.astype(np.float32)), joints[0], "translation")
        if len(correctives.targets_m):
            weights = buffer.add(correctives.weights.astype(np.float32).reshape(-1))
            self._channel(times, weights, mesh_node, "weights")

    def _channel(self, times: int, values: int, node: int, path: str) -> None:
        animation = self._document.animations[0]
        animation.samplers.append(AnimationSampler(input=times, output=values, interpolation="LINEAR"))
        target = AnimationChannelTarget(node=node, path=path)
        animation.channels.append(AnimationChannel(sampler=len(animation.samplers) - 1, target=target))


def joint_sets(skinning_weights: Float[np.ndarray, "V 16"]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints and weights of each vertex in sets of four, the strongest first, as the format requires.

    Returns:
        Per set the joints (V, 4) uint8 and their weights (V, 4) float32; all weights of a vertex sum to 1.
    """
    weights = np.where(skinning_weights >= LEAST_WEIGHT, skinning_weights, 0.0)
    weights = weights / weights.sum(1, keepdims=True)
    order = np.argsort(-weights, axis=1, kind="stable")
    sets = -(-int((weights > 0).sum(1).max()) // _JOINTS_PER_SET)
    result = []
    for first in range(0, sets * _JOINTS_PER_SET, _JOINTS_PER_SET):
        numbers = order[:, first : first + _JOINTS_PER_SET]
        share = np.take_along_axis(weights, numbers, 1).astype(np.float32)
        result.append((np.where(share > 0, numbers, 0).astype(np.uint8), share))
    return result


def _unit(vectors: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
