"""The data types that the packages exchange are immutable."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.types import Frame, HandObservation, PathResult


def _frame() -> Frame:
    return Frame(1, 2, np.zeros((48, 64, 3), np.uint8), Intrinsics.from_fov(64, 48), "test")


def test_a_frames_picture_is_read_only() -> None:
    frame = _frame()
    with pytest.raises(ValueError, match="read-only"):
        frame.image_rgb[0, 0, 0] = 1


def test_values_are_frozen_and_have_no_dict() -> None:
    frame = _frame()
    observation = HandObservation("left", 0.5, np.zeros((21, 2)), np.zeros((21, 3)), SquareCrop(1.0, 2.0, 3.0))
    result = PathResult(frame, "ik", ())
    for value, name in ((frame, "sequence"), (observation, "side"), (result, "message"), (observation.crop, "size_px")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
        assert not hasattr(value, "__dict__")


def test_default_timings_are_read_only() -> None:
    with pytest.raises(TypeError):
        PathResult(_frame(), "ik", ()).timings_ms["x"] = 1.0  # type: ignore[index]
