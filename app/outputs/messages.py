"""The JSON that leaves the program; ``docs/streaming.md`` explains every field to those who receive it.

Two kinds: ``handlive.hands`` for every frame, and ``handlive.about`` with what stays (names, units, triangles).
"""

from __future__ import annotations

import base64
import json
import math
import time
from typing import Any, Final

import numpy as np

from app.machine import product_version
from app.output_texts import reason_text
from app.pipeline.result_synchronizer import JoinedResult
from hand.joints import JOINT_NAMES, MANO_JOINT_NAMES, MANO_PARENTS
from hand.mirror import mirror_faces
from hand.model import HandModel
from hand.types import HandState

HANDS_SCHEMA: Final = "handlive.hands"
ABOUT_SCHEMA: Final = "handlive.about"
SCHEMA_VERSION: Final = 1
"""Grows when a field changes its meaning or goes; new fields alone do not change it."""

_DECIMALS_M = 5
_DECIMALS_RAD = 5
_NS_PER_S = 1e9


def hands_message(joined: JoinedResult, *, mesh: bool) -> dict[str, Any]:
    """The content of one frame's message.

    Args:
        joined: the frame and its output hands.
        mesh: with vertices.
    """
    frame = joined.frame
    camera = frame.intrinsics
    return {
        "schema": HANDS_SCHEMA,
        "version": SCHEMA_VERSION,
        "source": frame.source_id,
        "sequence": frame.sequence,
        "capture_time_ns": frame.capture_time_ns,
        "capture_unix_s": round(unix_s(frame.arrival_time_ns), 6),
        "mirrored": frame.mirrored,
        "camera": {
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "fx_px": round(camera.fx_px, 3),
            "fy_px": round(camera.fy_px, 3),
            "cx_px": round(camera.cx_px, 3),
            "cy_px": round(camera.cy_px, 3),
            "assumed": camera.assumed,
        },
        "hands": [
            {**hand_content(output.state, mesh=mesh), "reason": reason_text(output.reason)} for output in joined.outputs
        ],
    }


def about_message(model: HandModel, *, mesh: bool) -> dict[str, Any]:
    """What a receiver needs once.

    Args:
        model: right-hand model that poses, shapes and vertices refer to.
        mesh: with the triangles of both hands.
    """
    content: dict[str, Any] = {
        "schema": ABOUT_SCHEMA,
        "version": SCHEMA_VERSION,
        "program": f"handlive {product_version()}",
        "hand_model": {"name": model.name, "digest": model.digest, "vertices": model.vertex_count},
        "units": {"length": "m", "angle": "rad", "axes": "x right, y down, z forward from the camera"},
        "joint_names": list(JOINT_NAMES),
        "mano_joint_names": list(MANO_JOINT_NAMES),
        "mano_parents": list(MANO_PARENTS),
    }
    if mesh:
        right = np.asarray(model.faces)
        content["faces"] = {"right": packed(right, "<u4"), "left": packed(mirror_faces(right), "<u4")}
    return content


def encode(content: dict[str, Any]) -> bytes:
    """JSON as it is sent: UTF-8, without spaces."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def packed(array: np.ndarray, dtype: str) -> dict[str, Any]:
    """An array as JSON that is quick to write and to read.

    Args:
        array: of any shape.
        dtype: NumPy's name of a little-endian type.
    """
    data = np.ascontiguousarray(array, dtype)
    return {"shape": list(data.shape), "dtype": dtype, "base64": base64.b64encode(data.tobytes()).decode("ascii")}


def unix_s(time_ns: int) -> float:
    """Seconds since 1970 of a moment on the steady clock, by today's difference of the two clocks."""
    return time.time() - (time.monotonic_ns() - time_ns) / _NS_PER_S


def hand_content(state: HandState, *, mesh: bool) -> dict[str, Any]:
    """One hand.

    Args:
        state: the hand.
        mesh: with vertices.
    """
    reprojection = float(state.reprojection_px)
    content: dict[str, Any] = {
        "side": state.side,
        "method": state.origin,
        "confidence": round(float(state.confidence), 4),
        "reprojection_px": round(reprojection, 3) if math.isfinite(reprojection) else None,
        "joints_m": _rounded(state.joints_m, _DECIMALS_M),
        "pose_rad": _rounded(state.pose_rad, _DECIMALS_RAD),
        "shape": _rounded(state.shape, 4),
        "camera_translation_m": _rounded(state.camera_translation_m, _DECIMALS_M),
    }
    if mesh:
        content["vertices_m"] = packed(state.vertices_m, "<f4")
    return content


def _rounded(array: np.ndarray, decimals: int) -> list[Any]:
    # in double precision, or rounding would be undone by the digits of the nearest single
    values: list[Any] = np.asarray(array, np.float64).round(decimals).tolist()
    return values
