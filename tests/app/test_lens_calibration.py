"""Camera calibration from boards rendered through known cameras."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rendered_board import render_board

from app.command_line import run
from app.lens_calibration.board import (
    COLUMNS,
    PAGE_MM,
    ROWS,
    SQUARE_MM,
    corner_positions_m,
    page_picture,
    write_board,
)
from app.lens_calibration.command import calibrate_camera
from app.lens_calibration.session import CalibrationSession
from app.lens_calibration.solve import solve_lens
from app.sources.calibration_store import LensSolution, save_calibration, saved_intrinsics
from app.sources.camera import CameraSource
from app.sources.camera_list import CameraInfo
from app.sources.pictures import FolderSource
from hand.camera import Intrinsics, project
from hand.errors import ConfigError

TRUE_CAMERA = Intrinsics(540.0, 552.0, 331.0, 232.0, 640, 480)


def poses(count: int, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Board poses all over the picture, tilted in all directions."""
    rng = np.random.default_rng(seed)
    middle = np.array([COLUMNS * SQUARE_MM, ROWS * SQUARE_MM, 0.0]) / 2e3
    result = []
    for index in range(count):
        rotation = cv2.Rodrigues(np.array([*rng.uniform(-0.7, 0.7, 2), rng.uniform(-0.3, 0.3)]))[0]
        depth = rng.uniform(0.35, 0.7)
        column, row = index % 4, index // 4 % 3
        target_px = np.array([80 + 160 * column, 80 + 160 * row]) + rng.uniform(-30, 30, 2)
        ray = np.array([(target_px[0] - 331) / 540, (target_px[1] - 232) / 552, 1.0])
        result.append((rotation, depth * ray - rotation @ middle))
    return result


def test_corners_are_detected_within_half_a_pixel() -> None:
    session, detected = CalibrationSession(), 0
    for rotation, translation in poses(6):
        view = session.add(render_board(rotation, translation, TRUE_CAMERA)).view
        if view is None:
            continue
        detected += 1
        true_px = project(corner_positions_m()[view.ids] @ rotation.T + translation, TRUE_CAMERA)
        assert np.abs((view.corners_px - true_px).mean(0)).max() < 0.1  # no systematic offset
        assert np.linalg.norm(view.corners_px - true_px, axis=1).max() < 0.5
    assert detected >= 3


def test_rendered_boards_recover_the_camera() -> None:
    session = CalibrationSession()
    for rotation, translation in poses(48):
        progress = session.add(render_board(rotation, translation, TRUE_CAMERA))
        if session.ready:
            break
    assert session.ready, progress.sentence
    solution = session.solve()
    found = solution.intrinsics
    assert found.fx_px == pytest.approx(540.0, rel=0.005)
    assert found.fy_px == pytest.approx(552.0, rel=0.005)
    assert found.cx_px == pytest.approx(331.0, abs=1.0)
    assert found.cy_px == pytest.approx(232.0, abs=1.0)
    assert not found.assumed
    assert solution.rms_px < 0.25
    assert solution.straight_rms_px <= solution.rms_px + 1e-6
    assert max(np.abs(solution.distortion)) < 0.05


def test_perfect_corners_give_the_camera_exactly() -> None:
    views = []
    ids = np.arange(len(corner_positions_m()))
    for rotation, translation in poses(12):
        views.append((ids, project(corner_positions_m() @ rotation.T + translation, TRUE_CAMERA)))
    solution = solve_lens(views, (640, 480))
    np.testing.assert_allclose(solution.intrinsics.matrix(), TRUE_CAMERA.matrix(), atol=0.05)
    assert solution.rms_px < 0.01


def test_lens_distortion_is_estimated() -> None:
    views = []
    ids = np.arange(len(corner_positions_m()))
    for rotation, translation in poses(16):
        turned = cv2.Rodrigues(rotation)[0]
        seen, _ = cv2.projectPoints(
            corner_positions_m(), turned, translation, TRUE_CAMERA.matrix(), np.array([-0.2, 0.05, 0, 0, 0.0])
        )
        views.append((ids, seen.reshape(-1, 2)))
    solution = solve_lens(views, (640, 480))
    assert solution.straight_rms_px < 0.05 < solution.rms_px
    assert solution.distortion[0] == pytest.approx(-0.2, abs=0.01)


def test_session_guides_the_user_and_keeps_only_new_views() -> None:
    session = CalibrationSession()
    grey = np.full((480, 640, 3), 120, np.uint8)
    assert session.add(grey).sentence == "Hold the printed board into the picture."
    rotation, translation = poses(1)[0]
    picture = render_board(rotation, translation, TRUE_CAMERA)
    first, again = session.add(picture), session.add(picture)
    assert (first.kept, again.kept) == (True, False)
    assert (first.views, again.views) == (1, 1)
    assert "Move the board to the" in again.sentence
    assert 0.0 < again.share < 1.0
    with pytest.raises(ConfigError, match="at least 6 different views"):
        session.solve()
    smaller = cv2.resize(picture, (320, 240))
    assert session.add(smaller).views <= 1  # another picture size needs a calibration of its own


def test_corners_at_random_fit_no_camera() -> None:
    rng = np.random.default_rng(2)
    ids = np.arange(len(corner_positions_m()))
    views = [(ids, rng.uniform(0, 480, (len(ids), 2))) for _ in range(8)]
    with pytest.raises(ConfigError, match="fit no camera"):
        solve_lens(views, (640, 480))


def test_board_prints_at_true_scale(tmp_path: Path) -> None:
    page = page_picture(300)
    view = CalibrationSession().add(cv2.cvtColor(cv2.resize(page, None, fx=0.4, fy=0.4), cv2.COLOR_GRAY2RGB)).view
    assert view is not None
    assert len(view.ids) == len(corner_positions_m())
    order = np.argsort(view.ids)
    steps = np.diff(view.corners_px[order].reshape(ROWS - 1, COLUMNS - 1, 2)[:, :, 0], axis=1)
    np.testing.assert_allclose(steps, SQUARE_MM / 25.4 * 300 * 0.4, atol=0.5)
    png = write_board(tmp_path / "board.png")
    with Image.open(png) as picture:
        size_mm = [side / dpi * 25.4 for side, dpi in zip(picture.size, picture.info["dpi"], strict=True)]
    np.testing.assert_allclose(size_mm, PAGE_MM, atol=0.1)
    pdf = write_board(tmp_path / "board.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    box = pdf[pdf.index(b"/MediaBox") :].split(b"]")[0].split(b"[")[1].split()
    np.testing.assert_allclose([float(box[2]) / 72 * 25.4, float(box[3]) / 72 * 25.4], PAGE_MM, atol=0.1)
    with pytest.raises(ConfigError, match=r"\.pdf or \.png"):
        write_board(tmp_path / "board.svg")


def solution() -> LensSolution:
    return LensSolution(TRUE_CAMERA, 0.2, 0.1, (0.0, 0.0), 18)


def test_calibration_is_kept_per_camera_and_scaled(tmp_path: Path) -> None:
    file = save_calibration("Integrated Camera: USB (2)", solution(), tmp_path)
    assert file.parent == tmp_path
    assert saved_intrinsics("Integrated Camera: USB (2)", 640, 480, tmp_path) == TRUE_CAMERA
    assert saved_intrinsics("Integrated Camera: USB (2)", 1280, 960, tmp_path) == TRUE_CAMERA.scaled_to(1280, 960)
    assert saved_intrinsics("Integrated Camera: USB (2)", 1280, 720, tmp_path) is None  # another crop of the sensor
    assert saved_intrinsics("Another", 640, 480, tmp_path) is None


def test_damaged_calibration_is_ignored(tmp_path: Path) -> None:
    file = save_calibration("Cam", solution(), tmp_path)
    for content in ("", "{}", "[1]", json.dumps({"schema": 1, "camera": "Cam", "intrinsics": {"fx_px": "x"}})):
        file.write_text(content)
        assert saved_intrinsics("Cam", 640, 480, tmp_path) is None


def write_views(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index, (rotation, translation) in enumerate(poses(count)):
        assert cv2.imwrite(str(folder / f"{index:03d}.png"), render_board(rotation, translation, TRUE_CAMERA))
    return folder


def test_folder_of_pictures_calibrates_a_camera_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sources.calibration_store.cameras_folder", lambda: tmp_path / "cameras")
    folder = write_views(tmp_path / "views", 24)
    assert run(["calibrate-camera", "--source", str(folder), "--camera", "Test camera"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Test camera: fx 5")
    assert "Move the board to the" in err
    known = saved_intrinsics("Test camera", 640, 480)
    assert known is not None
    assert known.fx_px == pytest.approx(540.0, rel=0.005)
    assert run(["calibrate-camera", "--source", str(folder)]) == 2
    assert "add --camera" in capsys.readouterr().err


def test_calibration_without_a_camera_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sources.choose.first_camera", lambda: None)
    for named in ([], ["--camera", "Test camera"]):  # a name must not make it calibrate the demo clip
        assert run(["calibrate-camera", *named]) == 2
        assert capsys.readouterr().err.startswith("handlive: No camera was found to be calibrated")


def test_too_few_views_are_refused_and_nothing_is_saved(tmp_path: Path) -> None:
    folder = write_views(tmp_path / "views", 3)
    with pytest.raises(ConfigError, match="at least 6 different views"):
        calibrate_camera(FolderSource(folder), print, folder=tmp_path / "cameras")
    assert not (tmp_path / "cameras").exists()


def test_camera_gives_the_intrinsics_that_were_kept_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Capture:
        def __init__(self, *_arguments: object) -> None:
            pass

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def set(self, *_arguments: object) -> bool:
            return True

        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}.get(what, 30.0)

        def release(self) -> None:
            pass

    monkeypatch.setattr("app.sources.calibration_store.cameras_folder", lambda: tmp_path)
    monkeypatch.setattr("app.sources.camera.list_cameras", lambda: (CameraInfo(0, "Test camera"),))
    monkeypatch.setattr("app.sources.camera.cv2.VideoCapture", Capture)
    source = CameraSource(0)
    assert source.open().intrinsics is None
    save_calibration("Test camera", solution(), tmp_path)
    assert source.open().intrinsics == TRUE_CAMERA


def test_board_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["board", "--output", str(tmp_path / "board.pdf")]) == 0
    assert (tmp_path / "board.pdf").stat().st_size > 1000
    assert run(["board", "--output", str(tmp_path / "board.txt")]) == 2
    assert capsys.readouterr().err.startswith("handlive: The calibration board is written as")
