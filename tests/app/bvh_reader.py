"""A minimal BVH reader with forward kinematics, for checking exported files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Joint:
    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)


class Bvh:
    """Joints, end sites included, and their positions in every frame."""

    def __init__(self, text: str) -> None:
        tokens = iter(text.split())
        self.joints: list[Joint] = []
        stack: list[int] = []
        assert next(tokens) == "HIERARCHY"
        for token in tokens:
            if token in ("ROOT", "JOINT", "End"):
                name = next(tokens)
                parent = stack[-1] if stack else -1
                self.joints.append(Joint(f"{self.joints[parent].name}_end" if token == "End" else name, parent))
            elif token == "{":
                stack.append(len(self.joints) - 1)
            elif token == "}":
                stack.pop()
            elif token == "OFFSET":
                self.joints[stack[-1]].offset = np.array([float(next(tokens)) for _ in range(3)])
            elif token == "CHANNELS":
                self.joints[stack[-1]].channels = [next(tokens) for _ in range(int(next(tokens)))]
            elif token == "MOTION":
                break
        assert not stack
        assert next(tokens) == "Frames:"
        self.frames = int(next(tokens))
        assert (next(tokens), next(tokens)) == ("Frame", "Time:")
        self.frame_time_s = float(next(tokens))
        self.numbers = np.array([float(token) for token in tokens]).reshape(self.frames, -1)

    def positions(self, frame: int) -> dict[str, np.ndarray]:
        numbers = iter(self.numbers[frame])
        matrices: list[np.ndarray] = []
        for joint in self.joints:
            position, rotation = joint.offset.copy(), np.eye(3)
            for channel in joint.channels:
                value, axis = next(numbers), "XYZ".index(channel[0])
                if channel.endswith("position"):
                    position[axis] += value
                else:
                    rotation = rotation @ _axis_rotation(axis, np.radians(value))
            local = np.eye(4)
            local[:3, :3], local[:3, 3] = rotation, position
            matrices.append(local if joint.parent < 0 else matrices[joint.parent] @ local)
        return {joint.name: matrix[:3, 3] for joint, matrix in zip(self.joints, matrices, strict=True)}


def _axis_rotation(axis: int, angle: float) -> np.ndarray:
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix
