"""A mirrored view as the camera gave it: two cameras have one geometry only where neither picture is mirrored."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float

from app.pipeline.result_synchronizer import JoinedResult
from hand.mirror import mirror_pixels, mirror_points, mirror_pose, other_side
from hand.types import Frame, HandObservation, HandState


def unmirrored(joined: JoinedResult) -> JoinedResult:
    """A result about the picture as the camera gave it; one that is not mirrored is returned itself.

    Args:
        joined: the paths' results for a frame.
    """
    mirrored = joined.frame
    if not mirrored.mirrored:
        return joined
    frame = replace(
        mirrored,
        image_rgb=np.asarray(cv2.flip(mirrored.image_rgb, 1), np.uint8),
        intrinsics=mirrored.intrinsics.mirrored(),
        mirrored=False,
    )
    results = {
        path: replace(
            result,
            frame=frame,
            states=tuple(_state(state, frame) for state in result.states),
            unfiltered=tuple(_state(state, frame) for state in result.unfiltered),
            observations=tuple(_observation(seen, frame) for seen in result.observations),
        )
        for path, result in joined.results.items()
    }
    outputs = tuple(replace(output, state=_state(output.state, frame)) for output in joined.outputs)
    return replace(joined, frame=frame, results=results, outputs=outputs)


def _state(state: HandState, frame: Frame) -> HandState:
    return replace(
        state,
        side=other_side(state.side),
        pose_rad=mirror_pose(state.pose_rad),
        camera_translation_m=mirror_points(state.camera_translation_m),
        joints_m=mirror_points(state.joints_m),
        vertices_m=mirror_points(state.vertices_m),
        seen_px=_pixels(state.seen_px, frame),
    )


def _observation(seen: HandObservation, frame: Frame) -> HandObservation:
    return replace(
        seen,
        side=other_side(seen.side),
        landmarks_px=mirror_pixels(seen.landmarks_px, frame.image_rgb.shape[1]),
        world_landmarks_m=mirror_points(seen.world_landmarks_m),
    )


def _pixels(points_px: Float[np.ndarray, "21 2"] | None, frame: Frame) -> Float[np.ndarray, "21 2"] | None:
    return None if points_px is None else mirror_pixels(points_px, frame.image_rgb.shape[1])
