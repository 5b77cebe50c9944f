"""Sessions for others: FreiHAND's layout, or WebDataset's tar files, with faces made unrecognisable.

Only labels that are not rejected leave. FreiHAND's layout holds square crops of right hands, so left ones are mirrored;
WebDataset's holds whole pictures and everything that is known about them.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.atomic_file import folder_as_a_whole, write_json_atomically
from hand.camera import Intrinsics, project
from hand.crop import crop_around, crop_picture
from hand.errors import RecordingError
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.model import HandModel
from hand.pose_space import pose_in_convention
from hand.recording import hand_to_json
from hand.session_labels import FrameLabel, SessionLabels, read_session_labels

CROP_PX: Final = 224
"""Side of FreiHAND's pictures."""

_EXPANSION: Final = 1.8
_ROOT: Final = 9
_SHARD_PICTURES: Final = 1000

Progress = Callable[[float], None]


class Faces(Protocol):
    """Finds faces; ``ik_baseline.faces.FaceFinder`` is one."""

    def find(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[tuple[int, int, int, int]]:
        """Boxes: left, top, right, bottom."""


def export_freihand(
    session: Path, out: Path, model: HandModel, faces: Faces | None, progress: Progress = lambda share: None
) -> int:
    """Writes the labels of a session in the layout of FreiHAND v2's training set, one version of each picture.

    Args:
        session: folder of the recording.
        out: folder to write to; must be empty or not there.
        model: hand model of the labels.
        faces: faces it finds are blurred outside the hand; None leaves them.
        progress: called with the share that is done.

    Returns:
        How many pictures were written.

    Raises:
        RecordingError: it is no recording, was recorded with another hand model, or cannot be written.
    """
    labels = read_session_labels(session)
    right = model if model.side == "right" else model.mirrored()
    labels.recording.require_model(right, "export")
    layer = HandLayer(right, np.float64)
    files: dict[str, list[object]] = {name: [] for name in ("K", "mano", "xyz", "verts", "scale")}
    try:
        with folder_as_a_whole(_empty(out)) as whole:
            pictures = whole / "training" / "rgb"
            pictures.mkdir(parents=True)
            for number, (label, picture, share) in enumerate(_kept(labels, faces)):
                crop_rgb, camera, hand = _square(label, picture, labels.recording.info.intrinsics)
                pose, shape, place = hand
                posed = layer(pose, shape, place)
                scale = 0.5 * (camera[0, 0] + camera[1, 1]) / posed.joints_m[_ROOT, 2]
                root_px = posed.joints_m[_ROOT, :2] * scale + camera[:2, 2]
                relative = pose_in_convention(right, pose, flat_hand_mean=False)
                files["K"].append(camera.tolist())
                files["mano"].append([np.concatenate([relative, shape, root_px, [scale]]).tolist()])
                files["xyz"].append(posed.joints_m.tolist())
                files["verts"].append(posed.vertices_m.tolist())
                files["scale"].append(float(np.linalg.norm(posed.joints_m[9] - posed.joints_m[10])))
                (pictures / f"{number:08d}.jpg").write_bytes(_jpeg(crop_rgb))
                progress(share)
            for name, entries in files.items():
                write_json_atomically(whole / f"training_{name}.json", entries)
    except OSError as error:
        raise _cannot_write(out, error) from None
    return len(files["K"])


def export_webdataset(session: Path, out: Path, faces: Faces | None, progress: Progress = lambda share: None) -> int:
    """Writes the labels of a session as WebDataset shards: ``KEY.jpg`` and ``KEY.json`` for every hand.

    Args:
        session: folder of the recording.
        out: folder to write to; must be empty or not there.
        faces: faces it finds are blurred outside the hand; None leaves them.
        progress: called with the share that is done.

    Returns:
        How many labelled hands were written.

    Raises:
        RecordingError: it is no recording, or cannot be written.
    """
    labels = read_session_labels(session)
    info = labels.recording.info
    camera = [info.intrinsics.fx_px, info.intrinsics.fy_px, info.intrinsics.cx_px, info.intrinsics.cy_px]
    count = 0
    shard: tarfile.TarFile | None = None
    try:
        with folder_as_a_whole(_empty(out)) as whole:
            try:
                for label, picture, share in _kept(labels, faces):
                    if count % _SHARD_PICTURES == 0:
                        if shard is not None:
                            shard.close()
                        shard = tarfile.open(whole / f"{session.name}-{count // _SHARD_PICTURES:06d}.tar", "w")  # noqa: SIM115
                    content = {
                        **hand_to_json(label.hand),
                        "joints_px": label.joints_px(info.intrinsics).round(3).tolist(),
                        "camera_fx_fy_cx_cy_px": camera,
                        "status": label.status,
                        "weight": label.weight,
                        "session": info.name or session.name,
                        "frame": label.frame.index,
                        "hand_model_digest": info.hand_model_digest,
                    }
                    assert shard is not None
                    key = f"{session.name}-{label.frame.index:08d}-{label.hand.side}"
                    _add(shard, f"{key}.jpg", _jpeg(picture))
                    _add(shard, f"{key}.json", json.dumps(content, allow_nan=False).encode())
                    count += 1
                    progress(share)
            finally:
                if shard is not None:
                    shard.close()
    except OSError as error:
        raise _cannot_write(out, error) from None
    return count


def without_faces(
    image_rgb: UInt8[np.ndarray, "height width 3"], faces: Faces, joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with faces blurred beyond recognition, but not where the hand is.

    Args:
        image_rgb: the picture.
        faces: finds them.
        joints_px: the hand; its box, grown by a fifth, is left as it is.
    """
    found = faces.find(image_rgb)
    if not found:
        return image_rgb
    height, width = image_rgb.shape[:2]
    result = image_rgb.copy()
    for left, top, right, bottom in found:
        part = image_rgb[top:bottom, left:right]
        # eight dots across: no blur that could be undone
        tiny = cv2.resize(part, (8, 8), interpolation=cv2.INTER_AREA)
        result[top:bottom, left:right] = cv2.resize(tiny, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    low, high = joints_px.min(0), joints_px.max(0)
    grown = 0.2 * float((high - low).max())
    x0, y0 = np.clip(low - grown, 0, (width, height)).astype(int)
    x1, y1 = np.clip(high + grown, 0, (width, height)).astype(int)
    result[y0:y1, x0:x1] = image_rgb[y0:y1, x0:x1]
    return result


def _kept(labels: SessionLabels, faces: Faces | None) -> Iterator[tuple[FrameLabel, np.ndarray, float]]:
    """Labels that may leave, their pictures without faces, and the share of all that is done."""
    intrinsics = labels.recording.info.intrinsics
    for number, label in enumerate(labels.labels, 1):
        joints_px = label.joints_px(intrinsics)
        # what reaches behind the camera has no place in the picture
        if label.status == "rejected" or not np.isfinite(joints_px).all():
            continue
        try:
            picture = labels.recording.picture(label.frame)
        except RecordingError:
            continue  # a damaged picture is no example
        if faces is not None:
            picture = without_faces(picture, faces, joints_px)
        yield label, picture, number / len(labels.labels)


def _square(
    label: FrameLabel, picture: np.ndarray, intrinsics: Intrinsics
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """FreiHAND's crop, its camera matrix, and pose, shape and place of the hand as a right one."""
    hand = label.hand
    pose, shape, place = (np.asarray(a, np.float64) for a in (hand.pose_rad, hand.shape, hand.camera_translation_m))
    joints = np.asarray(hand.joints_m, np.float64)
    if hand.side == "left":
        picture = np.ascontiguousarray(picture[:, ::-1])
        intrinsics = intrinsics.mirrored()
        pose, place, joints = mirror_pose(pose), mirror_points(place), mirror_points(joints)
    square = crop_around(project(joints, intrinsics), _EXPANSION)
    matrix = np.vstack([square.matrix(CROP_PX), [0.0, 0.0, 1.0]])
    return crop_picture(picture, square, CROP_PX), matrix @ intrinsics.matrix(), (pose, shape, place)


def _jpeg(image_rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    shard.addfile(entry, io.BytesIO(content))


def _empty(out: Path) -> Path:
    if out.exists() and any(out.iterdir()):
        raise RecordingError(f"{out} is not empty; choose a new folder to export to.")
    return out


def _cannot_write(out: Path, error: OSError) -> RecordingError:
    return RecordingError(f"The export to {out} cannot be written ({error.strerror or error}); check the disk.")
