"""Read a picture from a path, bytes, a PIL image or an array into an array of pixels."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import MissingExtra, PictureError, first_line
from ..files import read_file

MIN_SIDE: Final = 8
MAX_PIXELS: Final = 64_000_000  # a phone's 50-megapixel picture has 50.1 million; a decompression bomb has more
MAX_BYTES: Final = 2**29  # of a file
LONGEST: Final = 100  # largest ratio of the sides; nobody writes a digit on a longer strip
WORKING_SIDE: Final = 1024  # larger pictures are shrunk while they are decoded

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".jfif")


def read_picture(source: Any) -> npt.NDArray[np.uint8]:
    """Read a path, bytes, PIL image, or uint8[H, W], uint8[H, W, 3] or uint8[H, W, 4] to uint8[H, W] or uint8[H, W, 3].

    It is turned upright by the EXIF orientation. Transparent pixels become white, or black behind light ink.

    Raises:
        PictureError: The picture cannot be read, has a side of fewer than 8 pixels or more than 64 megapixels, or is
            more than 100 times as long as wide.
        MissingExtra: pillow, which decodes files, is not installed.
    """
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source))
    if isinstance(source, str | os.PathLike):
        path = _as_text(source)
        try:
            data = read_file(path, MAX_BYTES)
        except OSError as error:
            raise PictureError(f"{path}: cannot be read: {error.strerror or error}") from None
        except ValueError as error:  # a path with a null character
            raise PictureError(f"{path!r}: not a path: {error}") from None
        return _decode(data, path)
    if isinstance(source, bytes | bytearray | memoryview):
        try:
            data = bytes(source)
        except ValueError as error:  # a memoryview that was released
            raise PictureError(f"picture bytes: cannot be read: {error}") from None
        return _decode(data, "picture bytes")
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(source, pil.Image):
        return _decode(source, "picture")
    raise PictureError(f"expected a path, bytes, a PIL image or a uint8 array, received {type(source).__name__}")


def _as_text(path: str | os.PathLike[str]) -> str:
    try:
        return os.fsdecode(path)
    except Exception as error:  # whatever somebody's __fspath__ raises
        raise PictureError(f"expected a path, received {type(path).__name__}: {first_line(error)}") from None


def to_grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert uint8[H, W] or uint8[H, W, 3] to grey, uint8[H, W], by the luma of ITU-R BT.601."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[..., channel] * np.float32(share) for channel, share in enumerate((0.299, 0.587, 0.114)))
    return np.asarray(red + green + blue + np.float32(0.5), np.uint8)


def _from_array(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)):
        raise PictureError(
            "expected an array uint8[H, W], uint8[H, W, 3] or uint8[H, W, 4], "
            f"received {array.dtype}{list(array.shape)}"
        )
    _check_size(array.shape[1], array.shape[0], "array")
    return _on_paper(array) if array.shape[2:] == (4,) else array


def _on_paper(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Put uint8[H, W, 4] on white, or on black if its opaque part is light; uint8[H, W, 3]."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    light = float((to_grey(rgba[..., :3]) * alpha[..., 0]).sum()) > 127.5 * float(alpha.sum())
    paper = 0 if light and rgba[..., 3].min() < 255 else 255
    return (rgba[..., :3] * alpha + paper * (1 - alpha) + 0.5).astype(np.uint8)


def _decode(source: Any, where: str) -> npt.NDArray[np.uint8]:
    """The pixels of an encoded file's bytes, or of a PIL image, which is not changed."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("pillow", "image", "reading picture files") from None
    try:
        if not isinstance(source, bytes):
            return _from_pil(source, where)
        if not source:
            raise PictureError(f"{where}: expected a picture, received an empty file")
        with Image.open(io.BytesIO(source)) as image:
            if image.format == "JPEG" and image.width * image.height <= MAX_PIXELS:
                image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # decode at 1/2, 1/4 or 1/8 of the size
            return _from_pil(image, where)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"{where}: expected at most {MAX_PIXELS:,} pixels, received far more") from None
    except UnidentifiedImageError:
        raise PictureError(f"{where}: expected a picture, received bytes of no known picture format") from None
    except Exception as error:  # pillow's decoders raise nearly anything on damaged files
        raise PictureError(f"{where}: a damaged or truncated picture: {first_line(error)}") from None


def _from_pil(image: Any, where: str) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageOps

    _check_size(image.width, image.height, where)
    shrink = min(max(image.size) // WORKING_SIDE, min(image.size) // MIN_SIDE)
    if shrink > 1 and image.mode in ("L", "RGB", "RGBA"):  # before anything else copies it
        image, shrink = image.reduce(shrink), 1
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel, which Pillow would clip instead of scale
        deep = np.asarray(image, np.float32)
        if not np.isfinite(deep).all():
            raise PictureError(f"{where}: expected finite pixels, received some that are no numbers")
        brightest = float(deep.max())
        white = next((white for white in (1, 255, 65535) if brightest <= white), brightest)
        image = Image.fromarray((deep.clip(min=0) * (255 / white)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = Image.fromarray(_on_paper(np.asarray(image.convert("RGBA").reduce(max(1, shrink)))))
        shrink = 1
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    return np.asarray(image.reduce(shrink) if shrink > 1 else image)


def _check_size(width: int, height: int, where: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"{where}: expected at most {MAX_PIXELS:,} pixels, received {width} x {height}")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{where}: expected at least {MIN_SIDE} x {MIN_SIDE} pixels, received {width} x {height}")
    if max(width, height) > LONGEST * min(width, height):
        raise PictureError(f"{where}: expected sides of up to 1 : {LONGEST}, received {width} x {height} pixels")
