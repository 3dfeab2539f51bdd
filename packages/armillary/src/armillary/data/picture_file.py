"""Reading of a picture file in any mode as upright 8-bit RGB, and writing with reproducible bytes.

Every way in which a file can fail ends in one :class:`PictureError` with the reason in words. Nothing of Pillow's warnings
reaches the caller, the number of pixels is checked before any is decoded, and only formats whose decoder reads pixels are
opened (EPS would start another program).
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import attrs
import numpy as np
from PIL import Image, ImageOps

from armillary.errors import DataError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
"""Names that end in one of these, in either case, are taken for pictures."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "TGA", "AVIF")
_PNG_LEVEL = 3  # zlib: fixed, so that the same pixels give the same bytes


class PictureError(DataError):
    """File that cannot be read as a picture.

    Args:
        path: the file.
        reason: what is wrong with it, in words, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type["PictureError"], tuple[Path, str]]:
        return PictureError, (self.path, self.reason)


@attrs.frozen(eq=False)
class Picture:
    """Decoded picture, upright.

    Args:
        rgb: ``[height, width, 3]`` uint8, sRGB, composited on the background where it had alpha.
        alpha: ``[height, width]`` uint8, None where the file has no transparency.
        mode: Pillow's name of the mode in the file: ``L``, ``P``, ``I;16``, ``CMYK`` ...
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    mode: str


def read_picture(path: Path, *, background: tuple[int, int, int] = (255, 255, 255), max_pixels: int) -> Picture:
    """Return the first frame of a picture file, turned upright by its EXIF orientation.

    16-bit grey is scaled by 1/257 whatever its brightest pixel; CMYK is converted without a colour profile.

    Args:
        path: the file.
        background: sRGB colour in 0..255 that shows through transparency.
        max_pixels: refuse larger pictures before decoding.

    Raises:
        PictureError: the file is missing, not permitted, empty, no picture, too large, damaged or of an unknown mode.
    """
    with _quiet():
        try:
            with _opened(path, max_pixels) as image:
                mode = image.mode
                image.load()
                return _decoded(_upright(image), mode, background)
        except PictureError:
            raise
        except Exception as error:  # decoders raise almost anything on damaged files
            raise PictureError(path, _reason(error)) from error


def picture_size(path: Path, *, max_pixels: int) -> tuple[int, int]:
    """Return upright (width, height) from the header, without decoding.

    Raises:
        PictureError: as :func:`read_picture`, except for damage after the header.
    """
    with _quiet():
        try:
            with _opened(path, max_pixels) as image:
                turned = _orientation(image) >= 5
                return (image.height, image.width) if turned else image.size
        except PictureError:
            raise
        except Exception as error:
            raise PictureError(path, _reason(error)) from error


def png_bytes(pixels: np.ndarray) -> bytes:
    """Return ``[height, width, 3]`` or ``[height, width]`` uint8 as PNG; the same pixels give the same bytes.

    The same on one machine and set of libraries: another zlib may pack differently.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _opened(path: Path, max_pixels: int) -> Image.Image:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        words = {PermissionError: "may not be read (permission denied)", IsADirectoryError: "is a folder"}
        raise PictureError(path, words.get(type(error), f"cannot be opened ({error.strerror})")) from error
    if size == 0:
        raise PictureError(path, "empty file (0 bytes)")
    try:
        image = Image.open(path, formats=_formats())
    except Image.DecompressionBombError as error:
        raise PictureError(path, f"larger than the limit of {max_pixels} pixels (max_pixels)") from error
    except Image.UnidentifiedImageError as error:
        raise PictureError(path, f"not a picture (begins with {_shown(head)})") from error
    if image.width * image.height > max_pixels:
        size_text = f"{image.width} x {image.height}"
        image.close()
        raise PictureError(path, f"{size_text} is larger than the limit of {max_pixels} pixels (max_pixels)")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block does not make the pixels wrong
        return 1
    return value if value in range(1, 9) else 1


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) == 1:
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        steps = {
            2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,), 4: (Image.Transpose.FLIP_TOP_BOTTOM,),
            5: (Image.Transpose.TRANSPOSE,), 6: (Image.Transpose.ROTATE_270,), 7: (Image.Transpose.TRANSVERSE,),
            8: (Image.Transpose.ROTATE_90,),
        }  # fmt: skip
        for step in steps[_orientation(image)]:
            image = image.transpose(step)
        return image


def _decoded(image: Image.Image, mode: str, background: tuple[int, int, int]) -> Picture:
    if image.mode.startswith("I") or image.mode == "F":
        grey = _grey8(np.asarray(image), floating=image.mode == "F")
        return Picture(np.repeat(grey[..., None], 3, axis=-1), None, mode)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        alpha = np.asarray(layer.getchannel("A"))
        base = Image.new("RGBA", layer.size, (*background, 255))
        return Picture(np.asarray(Image.alpha_composite(base, layer).convert("RGB")), alpha, mode)
    return Picture(np.asarray(image.convert("RGB")), None, mode)


def _grey8(grey: np.ndarray, *, floating: bool) -> np.ndarray:
    low, high = (grey.min(), grey.max()) if grey.size else (0, 0)
    if floating:
        if not (np.isfinite(grey).all() and low >= 0 and high <= 1):
            raise ValueError(f"floating-point picture with values from {low:g} to {high:g}, not in [0, 1]")
        return np.rint(grey * 255).astype(np.uint8)
    if low < 0 or high > 65535:
        raise ValueError(f"integer picture with values from {low} to {high}, not 16 bit")
    return np.rint(grey.astype(np.float32) / 257).astype(np.uint8)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"truncated: the file ends too early ({text})"
    return f"damaged or of an unknown kind ({text})"


def _shown(head: bytes) -> str:
    text = head.decode("ascii", errors="replace")
    return repr(text[:16]) if text.isprintable() or text.strip().isprintable() else f"bytes {head[:8].hex(' ')}"


class _Warnings:
    """Suppression of Pillow's warnings while any thread decodes; the filters are global: the last thread restores them."""

    lock = threading.Lock()
    inside = 0
    filters: warnings.catch_warnings | None = None


@contextmanager
def _quiet() -> Iterator[None]:
    with _Warnings.lock:
        if _Warnings.inside == 0:
            _Warnings.filters = warnings.catch_warnings()
            _Warnings.filters.__enter__()
            warnings.simplefilter("ignore")
        _Warnings.inside += 1
    try:
        yield
    finally:
        with _Warnings.lock:
            _Warnings.inside -= 1
            if _Warnings.inside == 0 and _Warnings.filters is not None:
                _Warnings.filters.__exit__(None, None, None)
                _Warnings.filters = None
