"""The official scores against a slow reimplementation of the published scripts with SciPy's Procrustes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from hand.errors import PredictionFileError
from hand.joints import to_mano_order
from hand.layer import HandLayer
from hand.scoring import OfficialScore, score_freihand, score_ho3d
from tests.hand.toy_model import random_pose, toy_model

SAMPLES = 12


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    layer = HandLayer(toy_model(778), np.float64)
    hands = [layer(random_pose(seed), np.zeros(10), np.array([0.02, 0.01, 0.6])) for seed in range(SAMPLES)]
    return np.stack([hand.joints_m for hand in hands]), np.stack([hand.vertices_m for hand in hands])


def _score(
    folder: Path, truth: tuple[np.ndarray, ...], prediction: tuple[np.ndarray, ...], which: str
) -> OfficialScore:
    for kind, array in zip(("xyz", "verts"), truth, strict=True):
        (folder / f"evaluation_{kind}.json").write_text(json.dumps(array.tolist()))
    (folder / "pred.json").write_text(json.dumps([array.tolist() for array in prediction]))
    scorer = score_freihand if which == "freihand" else score_ho3d
    return scorer(folder / "pred.json", folder)


def _noisy(truth: tuple[np.ndarray, ...], seed: int = 0) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    turn = Rotation.from_rotvec(random.normal(0, 0.2, 3)).as_matrix()
    return tuple(
        1.1 * array @ turn.T + random.normal(0, 0.01, (SAMPLES, 1, 3)) + random.normal(0, 0.006, array.shape)
        for array in truth
    )


# ---- a reimplementation of the published scripts, from their description ---------------------------------------------


def _slow_alignment(
    target: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, float, np.ndarray]:
    t1, t2 = target.mean(0), predicted.mean(0)
    a, b = target - t1, predicted - t2
    s1, s2 = np.linalg.norm(a) + 1e-8, np.linalg.norm(b) + 1e-8
    turn, scale = orthogonal_procrustes(a / s1, b / s2)
    return np.dot(b / s2, turn.T) * scale * s1 + t1, turn, scale, s1, t1 - t2


def _slow_measures(errors_per_point: np.ndarray) -> tuple[float, float]:
    """Mean and AUC, both first per point over the samples, then over the points; trapezoids of SciPy."""
    from scipy.integrate import trapezoid

    thresholds = np.linspace(0.0, 0.05, 100)
    means, areas = [], []
    for errors in errors_per_point.T:
        curve = [np.mean((errors <= threshold).astype(float)) for threshold in thresholds]
        means.append(errors.mean())
        areas.append(trapezoid(curve, thresholds) / trapezoid(np.ones(100), thresholds))
    return float(np.mean(means)), float(np.mean(areas))


def _slow_f_score(target: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    near_target = float(np.mean(cKDTree(predicted).query(target)[0] < threshold))
    near_predicted = float(np.mean(cKDTree(target).query(predicted)[0] < threshold))
    total = near_target + near_predicted
    return 2 * near_target * near_predicted / total if total > 0 else 0.0


def _slow_scores(truth: tuple[np.ndarray, ...], prediction: tuple[np.ndarray, ...]) -> dict[str, float]:
    names = ("xyz", "mesh")
    errors: dict[str, list[np.ndarray]] = {
        name: [] for name in ("xyz", "xyz_al", "mesh", "mesh_al", "xyz_scale_trans_al")
    }
    f: dict[str, list[float]] = {}
    for sample in range(SAMPLES):
        for name, target, predicted in zip(
            names, (t[sample] for t in truth), (p[sample] for p in prediction), strict=True
        ):
            errors[name].append(np.linalg.norm(target - predicted, axis=1))
            moved = _slow_alignment(target, predicted)[0]
            errors[f"{name}_al"].append(np.linalg.norm(target - moved, axis=1))
            if name == "mesh":
                for mm in (5, 15):
                    f.setdefault(f"f_score_{mm}", []).append(_slow_f_score(target, predicted, mm / 1000))
                    f.setdefault(f"f_al_score_{mm}", []).append(_slow_f_score(target, moved, mm / 1000))
            else:
                ratio = np.linalg.norm(target[4] - target[0]) / np.linalg.norm(predicted[4] - predicted[0])
                shifted = ratio * predicted - ratio * predicted[0] + target[0]
                errors["xyz_scale_trans_al"].append(np.linalg.norm(target - shifted, axis=1))
    scores = {name: float(np.mean(values)) for name, values in f.items()}
    for name, values in errors.items():
        mean, area = _slow_measures(np.stack(values))
        scores[f"{name}_mean3d"], scores[f"{name}_auc3d"] = 100 * mean, area
    return scores


def _to_opengl(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(array * np.array([1.0, -1.0, -1.0]) for array in arrays)


@pytest.mark.parametrize("which", ["freihand", "ho3d"])
def test_scores_agree_with_a_reimplementation_of_the_official_script(
    tmp_path: Path, truth: tuple[np.ndarray, np.ndarray], which: str
) -> None:
    if which == "ho3d":
        truth = _to_opengl(to_mano_order(truth[0]), truth[1])  # type: ignore[assignment]
    prediction = _noisy(truth)
    score = _score(tmp_path, truth, prediction, which)
    expected = _slow_scores(truth, prediction)
    if which == "freihand":
        assert np.isnan(score.xyz_scale_trans_al_mean3d)
        expected = {name: value for name, value in expected.items() if "scale_trans" not in name}
    for name, value in expected.items():
        assert getattr(score, name) == pytest.approx(value, abs=1e-9), name
    assert score.samples == SAMPLES
    assert 0.1 < score.f_al_score_5 < 0.95, "a case in which the figures differ"


def test_perfect_and_similar_predictions_have_no_aligned_error(
    tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]
) -> None:
    perfect = _score(tmp_path, truth, truth, "freihand")
    assert perfect.xyz_mean3d == 0.0
    assert perfect.xyz_al_mean3d < 1e-5
    assert perfect.xyz_auc3d == pytest.approx(1.0)
    assert perfect.f_score_5 == 1.0
    assert perfect.reflected_samples == 0

    turn = Rotation.random(random_state=4).as_matrix()
    copy = _score(tmp_path, truth, tuple(0.5 * array @ turn.T + 0.3 for array in truth), "freihand")
    assert copy.xyz_mean3d > 10.0
    assert copy.xyz_al_mean3d < 1e-5
    assert copy.mesh_al_mean3d < 1e-5
    assert copy.proper_xyz_al_mean3d < 1e-5
    assert copy.f_al_score_5 == 1.0


def test_a_mirrored_hand_scores_zero_officially_and_not_properly(
    tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]
) -> None:
    mirrored = tuple(array * np.array([-1.0, 1.0, 1.0]) for array in truth)
    score = _score(tmp_path, truth, mirrored, "freihand")
    assert score.xyz_al_mean3d < 1e-5
    assert score.mesh_al_mean3d < 1e-5
    assert score.proper_xyz_al_mean3d > 0.5
    assert score.proper_mesh_al_mean3d > 0.5
    assert score.reflected_samples == SAMPLES


def test_joints_and_vertices_are_aligned_separately(tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]) -> None:
    turn = Rotation.random(random_state=5).as_matrix()
    score = _score(tmp_path, truth, (truth[0], truth[1] @ turn.T + 1.0), "freihand")
    assert score.xyz_al_mean3d < 1e-5
    assert score.mesh_al_mean3d < 1e-5


def test_mano_joint_order_gives_a_large_freihand_error(tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]) -> None:
    assert _score(tmp_path, truth, (to_mano_order(truth[0]), truth[1]), "freihand").xyz_al_mean3d > 2.0


def test_a_zero_predictor_scores_the_size_of_the_hand(tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]) -> None:
    score = _score(tmp_path, truth, tuple(np.zeros_like(array) for array in truth), "freihand")
    spread = np.linalg.norm(truth[0] - truth[0].mean(1, keepdims=True), axis=-1).mean() * 100
    assert score.xyz_al_mean3d == pytest.approx(spread, rel=1e-6)
    assert score.xyz_mean3d > 50.0


def test_another_mesh_has_no_mesh_error_and_the_scripts_own_f_score(
    tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]
) -> None:
    joints, vertices = _noisy(truth)
    half = vertices[:, ::2]
    score = _score(tmp_path, truth, (joints, half), "freihand")
    assert (score.mesh_mean3d, score.mesh_auc3d, score.mesh_al_mean3d, score.proper_mesh_al_mean3d) == (-1, -1, -1, -1)
    expected = []
    for sample in range(SAMPLES):
        _, turn, scale, s1, shift = _slow_alignment(truth[0][sample], joints[sample])
        mean = half[sample].mean(0)
        expected.append(
            _slow_f_score(truth[1][sample], np.dot(half[sample] - mean, turn.T) * scale * s1 + shift + mean, 0.015)
        )
    assert score.f_al_score_15 == pytest.approx(np.mean(expected))


def test_ho3d_refuses_points_in_opencv_axes(tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(PredictionFileError, match=r"OpenGL axes.*multiply points in OpenCV axes by \(1, -1, -1\)"):
        _score(tmp_path, truth, truth, "ho3d")


def test_the_text_has_the_official_names(tmp_path: Path, truth: tuple[np.ndarray, np.ndarray]) -> None:
    text = _score(tmp_path, truth, _noisy(truth), "freihand").as_text()
    names = [line.split(":")[0] for line in text.splitlines()]
    for official in ("xyz_mean3d", "xyz_al_auc3d", "mesh_al_mean3d", "f_score_5", "f_al_score_15"):
        assert official in names
    assert "xyz_scale_trans_al_mean3d" not in names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1, 2, 3]", r"should be a list of two, \[xyz, verts\], got a list of 3"),
        ('{"xyz": []}', "got a dict of 1"),
        ("[[], []]", "should hold 12 samples as the truth does, got 0 xyz"),
        (
            json.dumps([[[[0, 0, 0]] * 20], [[[0, 0, 0]]]]),
            r"xyz of sample 0 should be 21 x 3 finite numbers, got .*20, 3",
        ),
        (json.dumps([[[[0, 0, None]] * 21], [[[0, 0, 0]]]]), "xyz of sample 0 should be 21 x 3 finite numbers"),
        (json.dumps([[[[0, 0, float("nan")]] * 21], [[[0, 0, 0]]]]), "finite numbers"),
        (json.dumps([[[[0, 0, 10**400]] * 21], [[[0, 0, 0]]]]), "xyz of sample 0 should be 21 x 3 finite numbers"),
        (json.dumps([[[[0, 0, 1]] * 21] * 12, [[[0, 0, 1]]] * 11 + [[[0, 0, 1]] * 2]]), "same number of vertices"),
    ],
)
def test_invalid_prediction_file_is_reported(
    tmp_path: Path, truth: tuple[np.ndarray, ...], content: str, message: str
) -> None:
    _score(tmp_path, truth, truth, "freihand")
    (tmp_path / "pred.json").write_text(content)
    with pytest.raises(PredictionFileError, match=message):
        score_freihand(tmp_path / "pred.json", tmp_path)


def test_missing_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(PredictionFileError, match=r"no file .*evaluation_xyz\.json"):
        score_freihand(tmp_path / "pred.json", tmp_path)
