"""Picture files (orientation, colour profiles, bit depths) and folders with other files in them."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_fakes import FakePath, nothing, plain_image, write_clip, write_picture
from PIL import Image
from test_sources import read_all

from app.command_line import run
from app.predict import PredictionRun, predict
from app.recording.importing import import_session
from app.sources.base import Picture
from app.sources.picture_files import eight_bits, read_picture
from app.sources.picture_listing import list_pictures
from app.sources.pictures import FolderSource
from hand.embedded import load_embedded_model
from hand.errors import SourceError
from hand.recording_reader import open_recording
from hand.types import Frame, PathResult

MODEL = load_embedded_model()
CORNER_BY_ORIENTATION = {1: "top left", 3: "bottom right", 6: "top right", 8: "bottom left"}


def corner_picture() -> np.ndarray:
    """Dark blue with a white square at the top left."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 2] = 90
    image[:20, :20] = 255
    return image


def bright_corner(image: np.ndarray) -> str:
    corners = {"top left": image[:8, :8], "top right": image[:8, -8:]}
    corners |= {"bottom right": image[-8:, -8:], "bottom left": image[-8:, :8]}
    return max(corners, key=lambda name: float(corners[name].mean()))


@pytest.mark.parametrize("orientation", CORNER_BY_ORIENTATION)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "avif"])
def test_pictures_are_upright_whatever_their_format(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corner_picture()).save(tmp_path / f"a.{kind}", exif=exif)
    shown = read_picture(tmp_path / f"a.{kind}")
    assert shown.shape == ((60, 80, 3) if orientation in (1, 3) else (80, 60, 3))
    assert bright_corner(shown) == CORNER_BY_ORIENTATION[orientation]


def test_16_bit_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = corner_picture()[..., 0].astype(np.uint16) * 257
    for kind in ("png", "tif"):
        Image.fromarray(deep).save(tmp_path / f"a.{kind}", exif=exif)
        assert bright_corner(read_picture(tmp_path / f"a.{kind}")) == "top right"


@pytest.mark.parametrize("kind", ["gif", "jfif", "jpe", "avif", "bmp", "webp", "tif"])
def test_other_formats_are_read(tmp_path: Path, kind: str) -> None:
    formats = {"jfif": "JPEG", "jpe": "JPEG", "tif": "TIFF"}
    Image.fromarray(corner_picture()).save(tmp_path / f"a.{kind}", formats.get(kind, kind.upper()))
    assert list_pictures(tmp_path).files == (tmp_path / f"a.{kind}",)
    shown = read_picture(tmp_path / f"a.{kind}").astype(int)
    assert shown.shape == (60, 80, 3)
    assert np.abs(shown - corner_picture()).mean() < 6.0


def test_heic_is_read_with_pillow_heif_and_refused_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "IMG_1.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert list_pictures(tmp_path).files == (path,)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"IMG_1\.heic is a HEIC picture, which needs the package pillow-heif"):
        read_picture(path)
    monkeypatch.undo()
    heif = pytest.importorskip("pillow_heif", reason="the optional package pillow-heif is not installed")
    heif.from_pillow(Image.fromarray(corner_picture())).save(path, quality=95)
    assert np.abs(read_picture(path).astype(int) - corner_picture()).mean() < 6.0


DISPLAY_P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
"""Linear Display P3 to XYZ under D50, a column each for red, green and blue (ICC registry, Display P3)."""

SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
"""Linear sRGB to XYZ under D50, as above (IEC 61966-2-1 adapted to D50)."""


def profile_of(to_xyz: np.ndarray, gamma: float) -> bytes:
    """An ICC profile (version 2) of a screen with these primaries and this exponent."""

    def xyz(values: np.ndarray) -> bytes:
        return struct.pack(">4s4x3i", b"XYZ ", *(round(float(value) * 65_536) for value in values))

    text = b"wide gamut\0"
    tags = {
        b"desc": struct.pack(">4s4xI", b"desc", len(text)) + text + bytes(78),
        b"wtpt": xyz(np.array([0.9642, 1.0, 0.8249])),
        **{name: xyz(to_xyz[:, column]) for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **{name: struct.pack(">4s4xIHH", b"curv", 1, round(gamma * 256), 0) for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, start + len(content), len(data))
        content += data
    head = struct.pack(
        ">I4sI4s4s4s12x4s", start + len(content), b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    white = struct.pack(">3i", *(round(value * 65_536) for value in (0.9642, 1.0, 0.8249)))
    head = head.ljust(68, b"\0") + white
    return head.ljust(128, b"\0") + table + content


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "jpg", "avif"])
def test_wide_gamut_pictures_are_converted_to_srgb(tmp_path: Path, kind: str) -> None:
    """The expected colour comes from the formula of the profile: linear light to XYZ to sRGB."""
    skin = np.array([205, 150, 120])
    linear = np.linalg.inv(SRGB) @ DISPLAY_P3 @ (skin / 255.0) ** 2.2
    wanted = 255.0 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(wanted - skin).max() > 8.0
    image = Image.fromarray(np.full((32, 32, 3), skin, np.uint8))
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}, "avif": {"quality": 100}}.get(kind, {})
    image.save(tmp_path / f"a.{kind}", icc_profile=profile_of(DISPLAY_P3, 2.2), **options)
    assert np.abs(read_picture(tmp_path / f"a.{kind}")[16, 16] - wanted).max() < 3.0
    image.save(tmp_path / f"b.{kind}", icc_profile=b"no profile", **options)
    assert np.abs(read_picture(tmp_path / f"b.{kind}")[16, 16].astype(float) - skin).max() < 3.0


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_brightness_of_deep_pictures_is_scaled_to_8_bits(tmp_path: Path, bits: int) -> None:
    ramp = np.tile(np.linspace(0, 2**bits - 1, 200).astype(np.uint16), (40, 1))
    cv2.imwrite(str(tmp_path / "grey.png"), ramp)
    cv2.imwrite(str(tmp_path / "colour.tif"), np.dstack([ramp] * 3))
    wanted = np.linspace(0, 255, 200)
    for name in ("grey.png", "colour.tif"):
        assert np.abs(read_picture(tmp_path / name)[20, :, 1] - wanted).max() <= 1.0


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floating_point_pictures_are_read_in_their_own_range(tmp_path: Path, top: float) -> None:
    ramp = np.tile(np.linspace(0, top, 200, dtype=np.float32), (40, 1))
    cv2.imwrite(str(tmp_path / "grey.tif"), ramp)
    cv2.imwrite(str(tmp_path / "colour.tif"), np.dstack([ramp] * 3))
    for name in ("grey.tif", "colour.tif"):
        assert np.abs(read_picture(tmp_path / name)[20, :, 1] - np.linspace(0, 255, 200)).max() <= 1.0


def test_non_finite_values_and_highlights_do_not_darken_a_picture() -> None:
    pixels = np.full((4, 4), 0.5, np.float32)
    pixels[0, 0], pixels[1, 1], pixels[2, 2] = np.nan, np.inf, 3.0
    shown = eight_bits(pixels)
    assert (shown[0, 0], shown[1, 1], shown[2, 2], shown[3, 3]) == (0, 255, 255, 128)


def test_grey_cmyk_palette_and_alpha_pictures_are_converted_to_rgb(tmp_path: Path) -> None:
    colour = Image.fromarray(corner_picture())
    colour.convert("L").save(tmp_path / "grey.jpg")
    colour.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    colour.convert("CMYK").save(tmp_path / "cmyk.tif")
    colour.quantize(16).save(tmp_path / "palette.png")
    hidden = np.dstack([corner_picture(), np.full((60, 80), 255, np.uint8)])
    hidden[40:] = (255, 0, 0, 0)  # fully transparent red
    Image.fromarray(hidden).save(tmp_path / "alpha.png")
    cv2.imwrite(str(tmp_path / "deep_alpha.png"), hidden[..., [2, 1, 0, 3]].astype(np.uint16) * 257)
    for name in ("cmyk.jpg", "cmyk.tif", "palette.png"):
        assert np.abs(read_picture(tmp_path / name).astype(int) - corner_picture()).mean() < 4.0, name
    grey = read_picture(tmp_path / "grey.jpg")
    assert grey.shape == (60, 80, 3)
    assert (np.ptp(grey, axis=2) == 0).all()
    for name in ("alpha.png", "deep_alpha.png"):
        shown = read_picture(tmp_path / name)
        np.testing.assert_array_equal(shown[:40], corner_picture()[:40])
        assert (shown[40:] == 255).all(), name


def test_a_picture_too_long_for_opencv_is_refused_in_a_sentence(tmp_path: Path) -> None:
    Image.new("L", (33_000, 4)).save(tmp_path / "long.png")
    with pytest.raises(SourceError, match="33000 x 4 pixels, more than 32766"):
        read_picture(tmp_path / "long.png")


def test_folder_is_listed_in_natural_order(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.png", "Frame1.png", "frame02b.png", "10.png", "9.png"):
        write_picture(tmp_path / name)
    names = [path.name for path in list_pictures(tmp_path).files]
    assert names == ["9.png", "10.png", "Frame1.png", "frame2.png", "frame02b.png", "frame10.png"]


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "holiday"
    (folder / "day10").mkdir(parents=True)
    (folder / "day9").mkdir()
    write_picture(folder / "a.png")
    write_picture(folder / "day10" / "b.png")
    write_picture(folder / "day9" / "c.png")
    (folder / "._a.png").write_bytes(b"what macOS leaves")
    (folder / ".DS_Store").write_bytes(b"what macOS leaves")
    (folder / "one.mov").touch()
    (folder / "two.mov").touch()
    (folder / "notes.txt").touch()
    return folder


def test_skipped_files_and_subfolders_are_counted_in_one_sentence(mixed_folder: Path) -> None:
    listing = list_pictures(mixed_folder)
    assert [path.name for path in listing.files] == ["a.png"]
    assert listing.skipped == (
        "Left out of holiday: 3 files of other kinds (2 mov, 1 txt) and 2 subfolders (--subfolders reads them)."
    )
    source = FolderSource(mixed_folder)
    assert source.open().note == listing.skipped
    assert len(read_all(source)) == 1
    warnings: list[str] = []
    predict(PredictionRun(mixed_folder, mixed_folder.parent / "p.json", {"ik": FakePath}, MODEL, warn=warnings.append))
    import_session(mixed_folder, mixed_folder.parent / "session", MODEL, [FakePath()], warn=warnings.append)
    assert warnings == [listing.skipped, listing.skipped]


def test_subfolders_are_read_on_request(mixed_folder: Path, tmp_path: Path) -> None:
    source = FolderSource(mixed_folder, subfolders=True)
    assert "subfolder" not in source.open().note
    assert len([read for read in read_all(source) if isinstance(read, Picture)]) == 3
    arguments = PredictionRun(
        mixed_folder, tmp_path / "p.json", {"ik": FakePath}, MODEL, warn=lambda _: None, subfolders=True
    )
    assert [image["file"] for image in predict(arguments)["images"]] == ["a.png", "day9/c.png", "day10/b.png"]
    assert import_session(mixed_folder, tmp_path / "session", MODEL, [], subfolders=True) == 3


def test_folder_is_imported_in_natural_order(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in (10, 9, 2):
        write_picture(tmp_path / "pictures" / f"{number}.png", plain_image(20 * number))
    import_session(tmp_path / "pictures", tmp_path / "s", MODEL, [])
    recording = open_recording(tmp_path / "s")
    means = [float(recording.picture(frame).mean()) for frame in recording.frames]
    assert means == sorted(means)


def test_predict_refuses_a_video_with_the_command_to_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "my clip.mp4", frames=2)
    with pytest.raises(SourceError, match=r"my clip\.mp4 is a video.*--headless --source '.*my clip\.mp4'"):
        predict(PredictionRun(clip, tmp_path / "p.json", {"ik": FakePath}, MODEL))
    assert not (tmp_path / "p.json").exists()
    assert run(["predict", "--input", str(tmp_path / "none.mp4"), "--output", str(tmp_path / "p.json")]) == 2
    assert "no file or folder at" in capsys.readouterr().err


def test_interrupted_run_keeps_its_predictions(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        write_picture(tmp_path / "pictures" / f"{number}.png")
    lines_seen: list[int] = []

    def stop_at_the_fourth(frame: Frame) -> PathResult:
        lines_seen.append(len((tmp_path / "p.json.jsonl").read_text().splitlines()))
        if frame.sequence == 3:
            raise KeyboardInterrupt
        return nothing(frame)

    path = FakePath(stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        predict(PredictionRun(tmp_path / "pictures", tmp_path / "p.json", {"ik": lambda: path}, MODEL))
    content = json.loads((tmp_path / "p.json").read_text())
    assert [image["file"] for image in content["images"]] == ["0.png", "1.png", "2.png"]
    assert content["complete"] is False
    assert lines_seen == [0, 1, 2, 3]
    assert not (tmp_path / "p.json.jsonl").exists()
    assert path.closed == 1


def test_picture_that_raises_in_a_path_does_not_stop_the_others(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / f"{number}.png")

    def break_at_the_second(frame: Frame) -> PathResult:
        if frame.sequence == 1:
            raise RuntimeError("out of memory")
        return nothing(frame)

    warnings: list[str] = []
    arguments = PredictionRun(
        tmp_path, tmp_path / "p.json", {"ik": lambda: FakePath(break_at_the_second)}, MODEL, warn=warnings.append
    )
    content = predict(arguments)
    assert ["error" in image for image in content["images"]] == [False, True, False]
    assert warnings == ["1.png could not be worked on (RuntimeError: out of memory); the other pictures go on."]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has file names that are not valid UTF-8")
def test_picture_with_a_non_utf8_name_is_predicted(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "a.png").replace(tmp_path / "pictures" / os.fsdecode(b"hand\xff.png"))
    content = predict(PredictionRun(tmp_path / "pictures", tmp_path / "p.json", {"ik": FakePath}, MODEL))
    assert content["images"][0]["file"] == "hand\N{REPLACEMENT CHARACTER}.png"
    assert len(content["images"][0]["hands"]) == 1
