"""Sheets and strips of pictures, and their files.

A picture is a ``uint8`` array of height, width and three sRGB channels, row 0 at the top. Files are written
atomically: beside their place, then renamed.
"""

import io
import os
import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "height width 3"]

PAPER = (255, 255, 255)
INK = (32, 33, 36)
PALE = (232, 234, 237)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at ``size`` pixels."""
    return ImageFont.load_default(size)


def contact_sheet(
    rows: Sequence[Sequence[Picture | None]],
    headers: Sequence[str] = (),
    *,
    cell: int = 96,
    captions: Sequence[str] = (),
    gap: int = 4,
) -> Picture:
    """Place pictures in rows and columns on white, with a header over each column and a caption left of each row.

    Args:
        rows: each as long as the others; None leaves a cell empty. Pictures of any size: each is scaled to the height of
            its cell with its aspect kept, larger ones smoothly, smaller ones in whole pixels where that fits.
        headers: one a column, or none.
        cell: height of a cell, in pixels. A column is as wide as its widest picture.
        captions: one per row, or none.
        gap: pixels between cells.

    Raises:
        ValueError: no rows, rows of different lengths, or a number of headers or captions that does not fit.
    """
    columns = len(rows[0]) if rows else 0
    if columns == 0 or any(len(row) != columns for row in rows):
        raise ValueError(f"rows of one length are needed, but they have {[len(row) for row in rows]} pictures")
    if len(headers) not in (0, columns) or len(captions) not in (0, len(rows)):
        raise ValueError(
            f"{columns} columns and {len(rows)} rows need as many headers and captions, or none, "
            f"not {len(headers)} and {len(captions)}"
        )
    scaled = [[None if p is None else _scaled(p, cell) for p in row] for row in rows]
    widths = [max([p.width for row in scaled if (p := row[c])] or [cell]) for c in range(columns)]
    type_size = max(9, min(16, cell // 8))
    words = [_wrapped(text, width, type_size) for text, width in zip(headers, widths, strict=False)]
    top = max((text.count("\n") + 1 for text in words), default=0) * (type_size + 3) + (gap if words else 0)
    left = max((int(font(type_size).getlength(text)) for text in captions), default=0) + (2 * gap if captions else 0)
    sheet = Image.new(
        "RGB", (left + sum(widths) + gap * (columns + 1), top + len(rows) * (cell + gap) + gap), color=PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for r, row in enumerate(scaled):
        y = top + gap + r * (cell + gap)
        if captions:
            draw.text((gap, y + cell // 2), captions[r], fill=INK, font=font(type_size), anchor="lm")
        x = left + gap
        for width, shown in zip(widths, row, strict=True):
            if shown:
                sheet.paste(shown, (x + (width - shown.width) // 2, y))
            x += width + gap
    x = left + gap
    for width, text in zip(widths, words, strict=False):
        draw.multiline_text(
            (x + width / 2, top), text, fill=INK, font=font(type_size), anchor="md", align="center", spacing=2
        )
        x += width + gap
    return np.asarray(sheet)


def strip(pictures: Sequence[Picture], *, gap: int = 2) -> Picture:
    """Place the pictures side by side in their own size."""
    height = max(len(p) for p in pictures)
    sheet = Image.new("RGB", (sum(p.shape[1] + gap for p in pictures) - gap, height), color=PAPER)
    x = 0
    for shown in pictures:
        sheet.paste(Image.fromarray(shown), (x, (height - shown.shape[0]) // 2))
        x += shown.shape[1] + gap
    return np.asarray(sheet)


def stack(pictures: Sequence[Picture], *, gap: int = 8) -> Picture:
    """Place the pictures below each other in their own size."""
    width = max(p.shape[1] for p in pictures)
    sheet = Image.new("RGB", (width, sum(len(p) + gap for p in pictures) - gap), color=PAPER)
    y = 0
    for shown in pictures:
        sheet.paste(Image.fromarray(shown), (0, y))
        y += len(shown) + gap
    return np.asarray(sheet)


def _scaled(shown: Picture, height: int) -> Image.Image:
    whole = Image.fromarray(np.ascontiguousarray(shown))
    width = max(1, round(whole.width * height / whole.height))
    small = height >= 4 * whole.height  # few pixels: let them be seen
    return whole.resize((width, height), Image.Resampling.NEAREST if small else Image.Resampling.BICUBIC)


def _wrapped(text: str, width: int, type_size: int) -> str:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(type_size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


# --- files ---------------------------------------------------------------------------------------------------------


def png_bytes(shown: Picture) -> bytes:
    """Encode the picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(buffer, format="PNG")
    return buffer.getvalue()


def webp_bytes(frames: Sequence[Picture], *, milliseconds: int = 80, quality: int = 85) -> bytes:
    """Encode frames of one size as an endless animated WebP file; a single frame as a still one.

    Raises:
        ValueError: no frames, or frames of different sizes.
    """
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise ValueError(f"frames of one size are needed, but they have {[frame.shape for frame in frames]}")
    images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(
        buffer, format="WEBP", save_all=True, append_images=images[1:], duration=milliseconds, loop=0, quality=quality
    )
    return buffer.getvalue()


def write_png(path: Path | str, shown: Picture) -> Path:
    """Write the picture as a PNG file, atomically."""
    return write_whole(path, png_bytes(shown))


def write_webp(path: Path | str, frames: Sequence[Picture], *, milliseconds: int = 80) -> Path:
    """Write the frames as an animated WebP file, atomically."""
    return write_whole(path, webp_bytes(frames, milliseconds=milliseconds))


def write_whole(path: Path | str, content: bytes) -> Path:
    """Write a file beside its place and rename it; create the folder if it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return path
