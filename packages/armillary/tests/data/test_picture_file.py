"""Every mode comes out as the RGB that a person sees; every defect is one error with its reason."""

import io
import pickle
import struct
import sys
import threading
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armillary.data.picture_file import PictureError, _quiet, picture_size, png_bytes, read_picture

LIMIT = 1_000_000
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(size=(8, 6)):
    """Red top left, green top right, blue bottom left, white bottom right."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return pixels


def read(path, **settings):
    return read_picture(path, max_pixels=LIMIT, **settings)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "tga", "webp", "gif"])
def test_formats_without_loss_give_the_pixels_back(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(corners()).save(path, **({"lossless": True} if ending == "webp" else {}))
    np.testing.assert_array_equal(read(path).rgb, corners())
    assert read(path).alpha is None


def test_grey_has_three_equal_channels(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.rgb, np.stack([grey] * 3, axis=-1))
    assert picture.mode == "L"


def test_one_bit_is_black_and_white(tmp_path):
    bits = np.eye(8, dtype=bool)
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").rgb[..., 0], bits * 255)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bit_is_scaled_by_257(tmp_path, ending):
    """65535 / 257 = 255 and 257 * k / 257 = k, whatever the brightest pixel is."""
    values = (np.arange(200, dtype=np.uint16) * 257).reshape(10, 20)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read(tmp_path / f"a.{ending}").rgb[..., 1], np.arange(200).reshape(10, 20))


def test_floating_point_in_unit_range_is_scaled_by_255(tmp_path):
    Image.fromarray(np.array([[0, 0.2, 1]], np.float32)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").rgb[0, :, 0], (0, 51, 255))


@pytest.mark.parametrize("value", [2.0, -0.5, np.nan])
def test_floating_point_outside_unit_range_is_refused(tmp_path, value):
    Image.fromarray(np.array([[0, value]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="floating-point picture"):
        read(tmp_path / "a.tif")


def test_palette_gives_its_colours(tmp_path):
    Image.fromarray(corners()).convert("P", palette=Image.Palette.ADAPTIVE, colors=4).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.mode == "P"
    np.testing.assert_array_equal(picture.rgb, corners())


def test_palette_with_a_transparent_colour_shows_the_background(tmp_path):
    image = Image.new("P", (4, 2), 0)
    image.putpalette([*RED, *GREEN])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    picture = read(tmp_path / "a.png", background=(10, 20, 30))
    assert tuple(picture.rgb[0, 0]) == GREEN
    assert tuple(picture.rgb[1, 3]) == (10, 20, 30)
    assert picture.alpha is not None
    assert (picture.alpha[0, 0], picture.alpha[1, 3]) == (255, 0)


def test_palette_with_transparency_in_bytes_does_not_warn(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=bytes([255, 0]))
    assert tuple(read(tmp_path / "a.png").rgb[0, 1]) == WHITE


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_the_background(tmp_path, mode):
    """Half of black over white is 255 - 128 = 127, up to rounding."""
    pixel = (0, 0, 0, 128) if mode == "RGBA" else (0, 128)
    Image.new(mode, (3, 3), pixel).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert abs(int(picture.rgb[0, 0, 0]) - 127) <= 1
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 128


def test_rgb_with_a_transparent_colour(tmp_path):
    Image.fromarray(corners()).save(tmp_path / "a.png", transparency=RED)
    picture = read(tmp_path / "a.png", background=(1, 2, 3))
    assert tuple(picture.rgb[0, 0]) == (1, 2, 3)
    assert tuple(picture.rgb[0, 7]) == GREEN


def test_cmyk_becomes_rgb(tmp_path):
    """No ink is white; full cyan has no red."""
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    image.paste((255, 0, 0, 0), (8, 0, 16, 16))
    for ending in ("tif", "jpg"):
        image.save(tmp_path / f"a.{ending}", quality=95)
        picture = read(tmp_path / f"a.{ending}")
        assert picture.mode == "CMYK"
        assert picture.rgb[4, 2].min() > 250
        assert picture.rgb[4, 13, 0] < 10
        assert picture.rgb[4, 13, 1:].min() > 240


def test_luminance_and_chrominance_come_as_rgb(tmp_path):
    """Y = 255 with no chrominance (128) is white."""
    Image.new("YCbCr", (4, 4), (255, 128, 128)).save(tmp_path / "a.tif")
    assert read(tmp_path / "a.tif").rgb.min() >= 254


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """Stored so that the viewer's turn brings the corners back."""
    back = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, 1), 7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(back[orientation](corners((64, 48))))
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    rgb = read(tmp_path / "a.jpg").rgb.astype(int)
    assert rgb.shape == (48, 64, 3)
    assert picture_size(tmp_path / "a.jpg", max_pixels=LIMIT) == (64, 48)
    for corner, colour in (((4, 4), RED), ((4, -5), GREEN), ((-5, 4), BLUE), ((-5, -5), WHITE)):
        assert np.abs(rgb[corner] - colour).max() < 12


def test_damaged_exif_does_not_lose_the_picture(tmp_path):
    Image.fromarray(corners()).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    np.testing.assert_array_equal(read(tmp_path / "a.png").rgb, corners())


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert tuple(read(tmp_path / "a.gif").rgb[0, 0]) == RED


# --- refusals --------------------------------------------------------------------------------------------------------


def test_truncated_jpeg_says_so(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match="truncated") as caught:
        read(tmp_path / "a.jpg")
    assert str(tmp_path / "a.jpg") in str(caught.value)


@pytest.mark.parametrize("part", [20, 40, 60, 120])
def test_truncated_png_is_refused(tmp_path, part):
    data = png_bytes(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    (tmp_path / "a.png").write_bytes(data[:part])
    with pytest.raises(PictureError, match=r"truncated|damaged|not a picture"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_give_a_picture_or_its_error(tmp_path, seed):
    """Nothing but PictureError leaves, whatever the damage."""
    generator = np.random.default_rng(seed)
    buffer = io.BytesIO()
    ending = ("png", "jpeg", "tiff", "webp", "gif", "bmp")[seed % 6]
    Image.fromarray(generator.integers(0, 255, (32, 32, 3), np.uint8)).save(buffer, ending)
    data = bytearray(buffer.getvalue())
    for place in generator.integers(4, len(data), 12):
        data[place] ^= 0xFF
    path = tmp_path / f"a.{ending}"
    path.write_bytes(data)
    with suppress(PictureError):
        assert read(path).rgb.ndim == 3


def test_empty_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(PictureError, match="empty file"):
        read(tmp_path / "a.jpg")


def test_text_with_a_pictures_name_shows_how_it_begins(tmp_path):
    (tmp_path / "a.png").write_text("hello, I am no picture")
    with pytest.raises(PictureError, match=r"not a picture .*hello"):
        read(tmp_path / "a.png")


def test_binary_that_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(bytes(range(1, 60)))
    with pytest.raises(PictureError, match="01 02 03"):
        read(tmp_path / "a.png")


def test_postscript_is_never_opened(tmp_path):
    """Its decoder would start another program."""
    (tmp_path / "a.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(PictureError, match="not a picture"):
        read(tmp_path / "a.png")


def bomb(side):
    """A PNG of side x side black pixels in a few bytes a row, written by hand."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [1100, 9600, 20000, 60000])  # above our limit, Pillow's warning and Pillow's error
def test_picture_bomb_is_refused_before_decoding(tmp_path, side):
    (tmp_path / "a.png").write_bytes(bomb(side))
    with pytest.raises(PictureError, match="larger than the limit of 1000000 pixels"):
        read(tmp_path / "a.png")
    with pytest.raises(PictureError, match="larger than the limit"):
        picture_size(tmp_path / "a.png", max_pixels=LIMIT)


def test_text_bomb_in_a_png_is_refused(tmp_path):
    data = png_bytes(corners())
    text = b"key\0\0" + zlib.compress(b"x" * 5_000_000)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    with pytest.raises(PictureError, match="damaged or of an unknown kind"):
        read(tmp_path / "a.png")


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    Image.fromarray(corners()).save(tmp_path / "a.png")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(PictureError, match="permission denied"):
        read(tmp_path / "a.png")


def test_missing_file_and_folder_with_a_pictures_name(tmp_path):
    (tmp_path / "b.png").mkdir()
    with pytest.raises(PictureError, match="No such file"):
        read(tmp_path / "a.png")
    with pytest.raises(PictureError, match="folder"):
        read(tmp_path / "b.png")


# --- warnings and bytes ----------------------------------------------------------------------------------------------


def test_warnings_filters_are_as_before_after_many_threads(tmp_path):
    """Pillow warns of 9,600 x 9,600 pixels; nothing of it is heard, and the filters come back."""
    (tmp_path / "a.png").write_bytes(bomb(9600))
    Image.fromarray(corners()).save(tmp_path / "b.png")
    before = list(warnings.filters)
    escaped = []

    def work():
        for _ in range(20):
            for name in ("a.png", "b.png"):
                try:
                    read(tmp_path / name)
                except PictureError:
                    pass
                except Warning as warning:
                    escaped.append(warning)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert not escaped
    assert list(warnings.filters) == before


def test_quiet_lasts_until_the_last_one_is_out():
    first, second = _quiet(), _quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    warnings.warn("not heard", stacklevel=1)
    second.__exit__(None, None, None)
    with pytest.warns(UserWarning, match="heard again"):
        warnings.warn("heard again", stacklevel=1)


def test_the_same_pixels_give_the_same_bytes():
    strided = np.repeat(corners(), 2, axis=1)[:, ::2]
    assert png_bytes(strided) == png_bytes(corners())


def test_picture_error_survives_pickling():
    error = pickle.loads(pickle.dumps(PictureError(Path("a.png"), "why")))
    assert (error.path, error.reason) == (Path("a.png"), "why")
