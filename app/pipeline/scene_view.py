"""Results of mirrored pictures in the camera's own view: what leaves the program describes the person's own hand.

The program mirrors pictures because people are used to mirrors. Everything inside describes the picture, in
which a right hand is a left one; a file or a receiver does not see that picture and takes the side for the person's.
Two cameras have one geometry only where neither picture is mirrored.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from app.pipeline.result_synchronizer import JoinedResult
from hand.mirror import mirror_pixels, mirror_points, mirror_pose, other_side
from hand.types import Frame, HandObservation, HandState, PathResult


def as_seen_by_camera(joined: JoinedResult, *, picture: bool = False) -> JoinedResult:
    """The same hands without the mirror.

    Args:
        joined: the results of one frame; returned as they are where its picture is not mirrored.
        picture: turn the picture back too, which costs a copy of it; otherwise it stays as it is.
    """
    frame = joined.frame
    if not frame.mirrored:
        return joined
    width_px = frame.image_rgb.shape[1]
    image = cv2.flip(frame.image_rgb, 1) if picture else frame.image_rgb
    seen = replace(frame, image_rgb=image, intrinsics=frame.intrinsics.mirrored(), mirrored=False)
    return replace(
        joined,
        frame=seen,
        results={path_id: _path_result(result, seen) for path_id, result in joined.results.items()},
        outputs=tuple(replace(output, state=_hand(output.state, width_px)) for output in joined.outputs),
    )


def _path_result(result: PathResult, frame: Frame) -> PathResult:
    width_px = frame.image_rgb.shape[1]
    return replace(
        result,
        frame=frame,
        states=tuple(_hand(state, width_px) for state in result.states),
        unfiltered=tuple(_hand(state, width_px) for state in result.unfiltered),
        observations=tuple(_observation(seen, width_px) for seen in result.observations),
    )


def _hand(state: HandState, width_px: int) -> HandState:
    return replace(
        state,
        side=other_side(state.side),
        pose_rad=mirror_pose(np.asarray(state.pose_rad)),
        camera_translation_m=mirror_points(np.asarray(state.camera_translation_m)),
        joints_m=mirror_points(np.asarray(state.joints_m)),
        vertices_m=mirror_points(np.asarray(state.vertices_m)),
        seen_px=None if state.seen_px is None else mirror_pixels(state.seen_px, width_px),
    )


def _observation(seen: HandObservation, width_px: int) -> HandObservation:
    crop = seen.crop
    return replace(
        seen,
        side=other_side(seen.side),
        landmarks_px=mirror_pixels(seen.landmarks_px, width_px),
        world_landmarks_m=mirror_points(seen.world_landmarks_m),
        crop=replace(crop, center_x_px=width_px - 1.0 - crop.center_x_px, angle_rad=-crop.angle_rad),
    )
