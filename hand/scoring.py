"""The official FreiHAND and HO-3D scores: pred.json in, the same numbers out, and the strict figures beside them.

Written from the conventions of the published scripts (``eval.py`` of github.com/lmb-freiburg/freihand and of
github.com/shreyashampali/ho3d). What differs from ``hand.metrics`` is deliberate, theirs, and kept:

* positions are compared as they are (no root alignment), in centimetres;
* Procrustes alignment may *reflect*: a mirrored hand scores zero;
* joints and vertices are aligned separately;
* a mesh with another number of vertices has no mesh error, and for the F-score it is moved by the joints'
  alignment, without the division of the scale by the prediction's size;
* HO-3D: joints in MANO order followed by the tips, OpenGL axes, and a second alignment by wrist and scale alone.

Each result therefore also carries the same errors under proper rotations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from hand.checked_files import FILE_FAULTS, LARGE_BYTES, fault_of, float_array, read_json
from hand.errors import PredictionFileError
from hand.metrics import aligned, distances, f_score, pck_curve

_CENTIMETRES_PER_METRE = 100.0
_TINY = 1e-8
"""The scripts add it to both norms."""
_NO_MESH = -1.0
"""What the scripts print for the mesh when the vertices do not correspond."""


@dataclass(frozen=True, slots=True)
class OfficialScore:
    """Figures under the official scripts' names (``scores.txt``); errors in centimetres, the rest 0 to 1.

    Attributes:
        samples: how many were scored.
        xyz_mean3d: joints as they are.
        xyz_auc3d: area under their curve, 0 to 50 mm.
        xyz_al_mean3d: joints after the official alignment, which may reflect.
        xyz_al_auc3d: area under their curve.
        mesh_mean3d: vertices as they are; -1 when they do not correspond.
        mesh_auc3d: area under their curve.
        mesh_al_mean3d: vertices after their own official alignment.
        mesh_al_auc3d: area under their curve.
        f_score_5: F-score at 5 mm as they are.
        f_al_score_5: after alignment.
        f_score_15: F-score at 15 mm as they are.
        f_al_score_15: after alignment.
        xyz_scale_trans_al_mean3d: HO-3D alone: joints after aligning wrist and scale; NaN for FreiHAND.
        xyz_scale_trans_al_auc3d: area under their curve.
        proper_xyz_al_mean3d: not official: joints after alignment by a proper rotation.
        proper_mesh_al_mean3d: not official: vertices after alignment by a proper rotation; -1 as above.
        reflected_samples: how many of the official joint alignments were reflections; more than a few mean that the
            predictions are mirror images, or very flat.
    """

    samples: int
    xyz_mean3d: float
    xyz_auc3d: float
    xyz_al_mean3d: float
    xyz_al_auc3d: float
    mesh_mean3d: float
    mesh_auc3d: float
    mesh_al_mean3d: float
    mesh_al_auc3d: float
    f_score_5: float
    f_al_score_5: float
    f_score_15: float
    f_al_score_15: float
    xyz_scale_trans_al_mean3d: float
    xyz_scale_trans_al_auc3d: float
    proper_xyz_al_mean3d: float
    proper_mesh_al_mean3d: float
    reflected_samples: int

    def as_text(self) -> str:
        """One "name: value" per line, as in scores.txt; figures that do not apply are left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        lines = [f"{name}: {value:d}" if isinstance(value, int) else f"{name}: {value:.6f}" for name, value in values]
        return "\n".join(line for line in lines if not line.endswith("nan")) + "\n"


def score_freihand(prediction_file: Path, truth_folder: Path) -> OfficialScore:
    """Scores a FreiHAND pred.json as the official eval.py does.

    Args:
        prediction_file: JSON of [xyz: N x 21 x 3, verts: N x V x 3], metres, camera frame, joints in the common order.
        truth_folder: holds ``evaluation_xyz.json`` and ``evaluation_verts.json``.

    Raises:
        PredictionFileError: a file is missing, damaged or of the wrong size.
    """
    truth = _load_truth(truth_folder)
    return official_score(*_load_prediction(prediction_file, len(truth[0])), *truth, scale_translation=False)


def score_ho3d(prediction_file: Path, truth_folder: Path) -> OfficialScore:
    """Scores an HO-3D pred.json as the official eval.py does.

    Args:
        prediction_file: JSON of [xyz: N x 21 x 3, verts: N x V x 3], metres, OpenGL axes (y up, z backwards), joints in
            MANO order followed by the tips thumb, index, middle, ring, pinky (``hand.joints.to_mano_order``).
        truth_folder: holds ``evaluation_xyz.json`` and ``evaluation_verts.json``.

    Raises:
        PredictionFileError: a file is missing, damaged or of the wrong size, or the hands lie behind the camera.
    """
    truth = _load_truth(truth_folder)
    joints, vertices = _load_prediction(prediction_file, len(truth[0]))
    if any((sample[:, 2] > 0).all() for sample in (*joints, *vertices)):
        raise PredictionFileError(
            f"{prediction_file.name}: HO-3D needs OpenGL axes, where hands have negative z, but some have positive z "
            "throughout; multiply points in OpenCV axes by (1, -1, -1)."
        )
    return official_score(joints, vertices, *truth, scale_translation=True)


def official_score(
    joints_m: list[Float[np.ndarray, "P 3"]],
    vertices_m: list[Float[np.ndarray, "V 3"]],
    true_joints_m: list[Float[np.ndarray, "P 3"]],
    true_vertices_m: list[Float[np.ndarray, "T 3"]],
    *,
    scale_translation: bool,
) -> OfficialScore:
    """The figures for samples in memory; see :class:`OfficialScore`.

    Args:
        joints_m: predictions, in the order of the truth.
        vertices_m: predictions; whether they correspond to the truth is decided by the first sample's vertex count.
        true_joints_m: labels.
        true_vertices_m: labels.
        scale_translation: also compute HO-3D's alignment by wrist and scale.
    """
    corresponds = len(vertices_m[0]) == len(true_vertices_m[0])
    errors: dict[str, list[np.ndarray]] = {}
    f_scores: dict[str, list[float]] = {}
    reflected = 0

    def note(name: str, predicted: np.ndarray, target: np.ndarray) -> None:
        errors.setdefault(name, []).append(distances(predicted, target))

    for xyz, mesh, true_xyz, true_mesh in zip(joints_m, vertices_m, true_joints_m, true_vertices_m, strict=True):
        joint_fit, mesh_fit = _OfficialFit(true_xyz, xyz), _OfficialFit(true_mesh, mesh) if corresponds else None
        mesh_aligned = mesh_fit.applied(mesh) if mesh_fit else joint_fit.applied_to_other(mesh)
        reflected += joint_fit.is_reflection
        note("xyz", xyz, true_xyz)
        note("xyz_al", joint_fit.applied(xyz), true_xyz)
        note("proper_xyz_al", aligned(xyz, true_xyz), true_xyz)
        if scale_translation:
            note("xyz_scale_trans_al", _scale_translation_aligned(true_xyz, xyz), true_xyz)
        if corresponds:
            note("mesh", mesh, true_mesh)
            note("mesh_al", mesh_aligned, true_mesh)
            note("proper_mesh_al", aligned(mesh, true_mesh), true_mesh)
        for millimetres in (5.0, 15.0):
            f_scores.setdefault(f"f_score_{millimetres:.0f}", []).append(f_score(mesh, true_mesh, millimetres))
            f_scores.setdefault(f"f_al_score_{millimetres:.0f}", []).append(
                f_score(mesh_aligned, true_mesh, millimetres)
            )

    def mean_cm(name: str, missing: float = float("nan")) -> float:
        return float(np.mean(errors[name]) * _CENTIMETRES_PER_METRE) if name in errors else missing

    def auc(name: str, missing: float = float("nan")) -> float:
        return pck_curve(np.stack(errors[name]) * 1000.0).auc if name in errors else missing

    return OfficialScore(
        samples=len(joints_m),
        xyz_mean3d=mean_cm("xyz"),
        xyz_auc3d=auc("xyz"),
        xyz_al_mean3d=mean_cm("xyz_al"),
        xyz_al_auc3d=auc("xyz_al"),
        mesh_mean3d=mean_cm("mesh", _NO_MESH),
        mesh_auc3d=auc("mesh", _NO_MESH),
        mesh_al_mean3d=mean_cm("mesh_al", _NO_MESH),
        mesh_al_auc3d=auc("mesh_al", _NO_MESH),
        **{name: float(np.mean(values)) for name, values in f_scores.items()},
        xyz_scale_trans_al_mean3d=mean_cm("xyz_scale_trans_al"),
        xyz_scale_trans_al_auc3d=auc("xyz_scale_trans_al"),
        proper_xyz_al_mean3d=mean_cm("proper_xyz_al"),
        proper_mesh_al_mean3d=mean_cm("proper_mesh_al", _NO_MESH),
        reflected_samples=int(reflected),
    )


class _OfficialFit:
    """The scripts' alignment: both point sets centred and scaled to norm 1, then the best orthogonal matrix.

    The orthogonal Procrustes problem (Schönemann 1966); its solution may be a reflection.
    """

    def __init__(self, target: Float[np.ndarray, "P 3"], predicted: Float[np.ndarray, "P 3"]) -> None:
        self._target_mean, self._predicted_mean = target.mean(0), predicted.mean(0)
        self._target_norm = float(np.linalg.norm(target - self._target_mean)) + _TINY
        self._predicted_norm = float(np.linalg.norm(predicted - self._predicted_mean)) + _TINY
        x = (predicted - self._predicted_mean) / self._predicted_norm
        y = (target - self._target_mean) / self._target_norm
        left, singular, right = np.linalg.svd(x.T @ y)
        self._turn, self._scale = left @ right, float(singular.sum())
        self.is_reflection = bool(np.linalg.det(self._turn) < 0.0 and singular[2] > 0.0)

    def applied(self, points: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 3"]:
        """The points that were fitted, aligned."""
        unit = (points - self._predicted_mean) / self._predicted_norm
        return unit @ self._turn * (self._scale * self._target_norm) + self._target_mean

    def applied_to_other(self, points: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        """Other points, moved as the scripts move them; the missing division by the prediction's norm is theirs."""
        mean = points.mean(0)
        moved = (points - mean) @ self._turn * (self._scale * self._target_norm)
        return moved + (self._target_mean - self._predicted_mean) + mean


def _scale_translation_aligned(
    target: Float[np.ndarray, "21 3"], predicted: Float[np.ndarray, "21 3"]
) -> Float[np.ndarray, "21 3"]:
    """HO-3D: same wrist, same length from wrist (0) to the middle finger's base (4 in MANO order)."""
    length = np.linalg.norm(predicted[4] - predicted[0])
    scaled = predicted / length if length > 0 else predicted
    scaled = scaled * np.linalg.norm(target[4] - target[0])
    return scaled - scaled[:1] + target[:1]


def _load_truth(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    joints, vertices = (_points(_json(folder / f"evaluation_{kind}.json"), kind, folder) for kind in ("xyz", "verts"))
    if len(joints) != len(vertices) or not joints:
        raise PredictionFileError(
            f"{folder} should hold as many evaluation_xyz as evaluation_verts, got {len(joints)} and {len(vertices)}."
        )
    return joints, vertices


def _load_prediction(path: Path, samples: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    content = _json(path)
    if not isinstance(content, list) or len(content) != 2:
        raise PredictionFileError(
            f"{path.name} should be a list of two, [xyz, verts], got {_size(content)}; write it as the data set's "
            "pred.py does."
        )
    joints, vertices = _points(content[0], "xyz", path), _points(content[1], "verts", path)
    if len(joints) != samples or len(vertices) != samples:
        raise PredictionFileError(
            f"{path.name} should hold {samples} samples as the truth does, got {len(joints)} xyz and {len(vertices)} "
            "verts; predict the whole set, in its order."
        )
    if len({len(mesh) for mesh in vertices}) > 1:
        raise PredictionFileError(f"{path.name}: all verts should have the same number of vertices; write it again.")
    return joints, vertices


def _points(content: Any, kind: str, path: Path) -> list[np.ndarray]:
    """Samples of points; ``xyz`` must be 21 x 3, ``verts`` V x 3."""
    if not isinstance(content, list):
        raise PredictionFileError(f"{path.name}: {kind} should be a list of samples, got {_size(content)}.")
    samples: list[np.ndarray] = []
    for place, sample in enumerate(content):
        points = float_array(sample)
        right_shape = points.ndim == 2 and points.shape[1] == 3 and (kind != "xyz" or len(points) == 21) and len(points)
        if not right_shape or not np.isfinite(points).all():
            wanted = "21 x 3" if kind == "xyz" else "V x 3"
            raise PredictionFileError(
                f"{path.name}: {kind} of sample {place} should be {wanted} finite numbers, got shape {points.shape}."
            )
        samples.append(points)
    return samples


def _json(path: Path) -> Any:
    try:
        return read_json(path, LARGE_BYTES, constants=True)
    except FileNotFoundError:
        raise PredictionFileError(f"There is no file {path}.") from None
    except FILE_FAULTS as error:
        raise PredictionFileError(f"{path} cannot be read as JSON ({fault_of(error)}); write it again.") from None


def _size(content: Any) -> str:
    return f"a {type(content).__name__} of {len(content)}" if isinstance(content, (list, dict)) else repr(content)[:40]
