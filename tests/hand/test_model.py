"""HandModel: validated on construction, then immutable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hand.errors import HandliveError, ModelFileError
from hand.model import HandModel
from tests.hand.toy_model import REST_JOINTS_M, toy_model


@pytest.fixture(scope="module")
def model() -> HandModel:
    return toy_model(300)


def test_toy_model_regresses_its_rest_joints(model: HandModel) -> None:
    np.testing.assert_allclose(model.joint_regressor @ model.v_template_m, REST_JOINTS_M, atol=1e-6)
    assert model.vertex_count == 300
    assert toy_model(778).faces.shape == (1538, 3)


def test_arrays_are_read_only(model: HandModel) -> None:
    for array in model._arrays().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_digest_depends_on_every_array_but_not_on_name_or_precision(model: HandModel) -> None:
    assert replace(model, name="other").digest == model.digest
    assert toy_model(300, dtype=np.float32).digest == model.digest
    changed = model.v_template_m.copy()
    changed[0, 0] += 1e-4
    assert replace(model, v_template_m=changed).digest != model.digest
    assert replace(model, tip_vertices=(0, 1, 2, 3, 4)).digest != model.digest
    assert replace(model, joint_axes=np.tile(np.eye(3), (16, 1, 1))).digest != model.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skinning_weights": np.full((300, 16), 1 / 15)}, "weights should be rows that sum to 1"),
        ({"faces": np.array([[0, 1, 300]])}, "f should be vertex numbers from 0 to 299, got 0 to 300"),
        ({"faces": np.array([[0, 1, -1]])}, "f should be vertex numbers"),
        ({"faces": np.zeros((0, 3), int)}, "f should be whole-number triangles"),
        ({"tip_vertices": (0, 1, 2, 3, 300)}, "tip_vertices should be five vertex numbers below 300"),
        ({"v_template_m": np.zeros((300, 3))}, r"v_template should be a hand of 0\.05 to 0\.5 m"),
        ({"pose_directions_m": np.full((300, 3, 135), np.inf)}, "posedirs should be finite numbers, got 121500"),
    ],
)
def test_invalid_model_is_refused(model: HandModel, change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        replace(model, **change)  # type: ignore[arg-type]


def test_a_model_in_millimetres_is_refused(model: HandModel) -> None:
    with pytest.raises(ModelFileError, match="metres"):
        replace(model, v_template_m=1000 * model.v_template_m)


def test_negative_weights_are_refused(model: HandModel) -> None:
    weights = model.skinning_weights.copy()
    weights[0, :2] += (0.5, -0.5)
    weights[0, 1] = 1 - weights[0].sum() + weights[0, 1]
    with pytest.raises(ModelFileError, match="no negative weight"):
        replace(model, skinning_weights=weights)


def test_every_error_derives_from_handlive_error() -> None:
    import hand.errors

    kinds = [kind for kind in vars(hand.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 5
    assert all(issubclass(kind, HandliveError) for kind in kinds)
