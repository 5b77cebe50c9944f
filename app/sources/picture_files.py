"""Reads picture files as they are meant: upright, in sRGB, eight bits a colour, transparency on white.

Pillow reads files of eight bits, because it handles every format's orientation, colour profiles and CMYK; OpenCV reads
deeper pixels, which Pillow would cut off or refuse.
"""

from __future__ import annotations

import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageCms, ImageOps

from app.sources.files import printable, printable_name
from hand.checked_files import FILE_FAULTS, fault_of, read_checked
from hand.errors import SourceError
from hand.picture_limits import LARGEST_PICTURE_BYTES, header_size, most_pixels, too_large

PICTURE_SUFFIXES: Final = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
)

MOST_SIDE_PX: Final = 32_766
"""Of a side: OpenCV crops no larger pictures (SHRT_MAX)."""

_HEIF_SUFFIXES: Final = (".heic", ".heif")
_ORIENTATION_TAG: Final = 0x0112
_BITS_PER_SAMPLE_TAG: Final = 258
_PNG_DEPTH_AT: Final = 24
"""Offset of the bit depth in a PNG: signature, length, IHDR, width, height (PNG specification, 11.2.2)."""

_DEPTHS: Final = (8, 10, 12, 14, 16)
"""Bits that cameras put into files of 16: the smallest that holds the brightest value is the picture's own."""

_BRIGHTEST_FLOAT: Final = 16.0
"""Up to here floating-point pixels count from 0 to 1, with highlights above 1; beyond it from 0 to 255."""

_HEIF_WANTED = (
    "is a HEIC picture, which needs the package pillow-heif: run `pip install pillow-heif`, or save it as JPEG (on an "
    "iPhone: Settings, Camera, Formats, Most Compatible)."
)


def is_picture(path: Path) -> bool:
    """Whether the name's suffix is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Reads a picture as RGB, upright, as people see it; of several in one file the first.

    Raises:
        SourceError: missing, not a picture, or of a kind for which a package is missing.
    """
    try:
        data = read_checked(path, LARGEST_PICTURE_BYTES)
    except FILE_FAULTS as error:
        sentence = f"The picture {printable(path)} cannot be read: {fault_of(error)}; check the path."
        raise SourceError(sentence) from None
    _refuse_huge(data, path)
    image = _read_with_pillow(data, path)
    if image is None:
        image = _deep_picture(data)
    if image is None:
        kinds = ", ".join(suffix[1:] for suffix in PICTURE_SUFFIXES)
        raise SourceError(
            f"{printable_name(path)} cannot be read as a picture; expected one of {kinds}, so check the file."
        )
    if max(image.shape) > MOST_SIDE_PX:
        raise SourceError(
            f"{printable_name(path)} has {image.shape[1]} x {image.shape[0]} pixels, more than {MOST_SIDE_PX} along a "
            "side; scale it down, or cut it into parts."
        )
    return np.ascontiguousarray(image)


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts 2 before 10 and file2 before file10, in every part of the path."""
    parts = re.findall(r"\d+|\D+", path.as_posix().casefold())
    key = [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]
    return key, str(path)


def _read_with_pillow(data: bytes, path: Path) -> UInt8[np.ndarray, "height width 3"] | None:
    """The picture, or None where Pillow cannot read it or would lose bits of it."""
    if path.suffix.lower() in _HEIF_SUFFIXES and not _register_heif() and _is_heic(data):
        raise SourceError(f"{printable_name(path)} {_HEIF_WANTED}")
    Image.MAX_IMAGE_PIXELS = most_pixels() // 2  # Pillow refuses twice as many
    try:
        with Image.open(io.BytesIO(data)) as image:
            if _is_deep(image, data):
                return _upright(_deep_picture(data), image)
            shown = _in_srgb(ImageOps.exif_transpose(image))
            if shown.has_transparency_data:
                shown = shown.convert("RGBA")
                white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
                shown = Image.alpha_composite(white, shown)
            return np.asarray(shown.convert("RGB"))
    except Exception:  # noqa: BLE001 - damaged files break decoders in every way; OpenCV reads what is there of them
        return None


def _in_srgb(image: Image.Image) -> Image.Image:
    """Converts a picture with a colour profile to sRGB.

    Phones write Display P3, cameras Adobe RGB, printers' pictures CMYK: read as sRGB, skin is paler than it was.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        wanted = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=wanted) or image
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile, or one of another kind of picture
        return image


def _refuse_huge(data: bytes, path: Path) -> None:
    """Judges a picture by its header, before any of it is decoded."""
    size = header_size(data)
    if size is None:
        Image.MAX_IMAGE_PIXELS = None  # only the size is read, whatever it is
        with suppress(Exception), Image.open(io.BytesIO(data)) as image:
            size = image.size
    problem = "" if size is None else too_large(*size)
    if problem:
        raise SourceError(f"{printable_name(path)} {problem}.")


def _register_heif() -> bool:
    """Registers HEIC with Pillow; False without the package for it."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis")


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether there are more than eight bits in a colour."""
    if image.mode.startswith(("I", "F")):
        return True
    if image.format == "PNG":
        return data[_PNG_DEPTH_AT] == 16
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE_TAG, (8,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return False


def _deep_picture(data: bytes) -> UInt8[np.ndarray, "height width 3"] | None:
    """A picture of any depth through OpenCV; TIFF comes upright from there, PNG does not."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:  # a header that names more pixels than OpenCV reads
        return None
    if pixels is None:
        return None
    shown = eight_bits(pixels)
    if shown.ndim == 2 or shown.shape[2] == 1:
        return cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB)
    if shown.shape[2] == 4:
        opaque = shown[..., 3:].astype(np.uint16)
        shown = ((shown[..., :3] * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8)
    return cv2.cvtColor(shown[..., :3], cv2.COLOR_BGR2RGB)


def _upright(
    picture: UInt8[np.ndarray, "h w 3"] | None, header: Image.Image
) -> UInt8[np.ndarray, "height width 3"] | None:
    if picture is None or header.format == "TIFF":
        return picture
    return np.asarray(ImageOps.exif_transpose(_with_orientation(picture, header)))


def _with_orientation(picture: UInt8[np.ndarray, "h w 3"], header: Image.Image) -> Image.Image:
    image = Image.fromarray(picture)
    image.getexif()[_ORIENTATION_TAG] = header.getexif().get(_ORIENTATION_TAG, 1)
    return image


def eight_bits(pixels: Shaped[np.ndarray, "height width *colors"]) -> UInt8[np.ndarray, "height width *colors"]:
    """Pixels of any depth as eight bits, as bright as people see them.

    Whole numbers count up to the largest of their depth: 10, 12 or 14 bits lie in files of 16 bits without a mark,
    and would be nearly black. Floating-point numbers count to 1, or to 255 where they are larger.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        brightest = float(pixels.max(initial=0.0))
        top = 1.0 if brightest <= _BRIGHTEST_FLOAT else _top_of_depth(brightest)
    else:
        pixels = np.maximum(pixels, 0).astype(np.float32)
        top = _top_of_depth(float(pixels.max(initial=0.0)))
    return (pixels * (255.0 / top)).clip(0.0, 255.0).round().astype(np.uint8)


def _top_of_depth(brightest: float) -> float:
    return next((2.0**bits - 1.0 for bits in _DEPTHS if brightest < 2.0**bits), brightest)
