"""Read a picture from a path, bytes, a PIL image or an array into an array of pixels."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import MissingExtra, PictureError, first_line
from ..files import read_file
from .decoding_memory import decoding_memory
from .shrink import MIN_SIDE, SAMPLED, WORKING_SIDE, inked_channel, shrunk, spans

MAX_PIXELS: Final = 64_000_000  # a phone's 50-megapixel picture has 50.1 million; a decompression bomb has more
MAX_BYTES: Final = 2**29  # of a file
LONGEST: Final = 100  # largest ratio of the sides; nobody writes a digit on a longer strip
MAX_MEMORY: Final = 270_000_000  # bytes for decoding, besides the file's own; shrinking it takes some 20 MB more

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".jfif")
FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")  # Pillow reads others by running Ghostscript
# What Pillow's readers of these formats raise at damaged files. Everything else, and a subclass of these, is passed on.
DAMAGED: Final = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    UnicodeDecodeError,
    UserWarning,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


def read_picture(source: Any, *, grey: bool = False) -> npt.NDArray[np.uint8]:
    """Read a path, bytes, PIL image, or uint8[H, W], uint8[H, W, 3] or uint8[H, W, 4] to uint8[H, W] or uint8[H, W, 3].

    It is turned upright by the EXIF orientation. Transparent pixels become white, or black behind light ink.
    With `grey` an encoded file becomes uint8[H, W], unless it is transparent: by luma, or the one of red, green and
    blue in which ink stands out.

    Raises:
        PictureError: The picture cannot be read, has a side of fewer than 8 pixels or more than 64 megapixels, or is
            more than 100 times as long as wide.
        MissingExtra: pillow, which decodes files, is not installed.
    """
    return read_scaled(source, grey=grey)[0]


def read_scaled(source: Any, *, grey: bool = False) -> tuple[npt.NDArray[np.uint8], float]:
    """Read a picture as `read_picture` does; also how many of its pixels each pixel stands for on a side."""
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source))
    if isinstance(source, str | os.PathLike):
        path = _as_text(source)
        try:
            data = read_file(path, MAX_BYTES)
        except OSError as error:
            if error.errno is None:  # not the system's, but raised by a signal handler, such as a TimeoutError
                raise
            raise PictureError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError as error:  # a path with a null character
            raise PictureError(f"{path!r}: not a path: {error}") from None
        return _decode(data, path, grey)
    if isinstance(source, bytes | bytearray | memoryview):
        try:
            data = bytes(source)
        except ValueError as error:  # a memoryview that was released
            raise PictureError(f"picture bytes: cannot be read: {error}") from None
        return _decode(data, "picture bytes", grey)
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(source, pil.Image):
        return _decode(source, "picture", grey)
    raise PictureError(f"expected a path, bytes, a PIL image or a uint8 array, received {type(source).__name__}")


def _as_text(path: str | os.PathLike[str]) -> str:
    try:
        return os.fsdecode(path)
    except (TypeError, UnicodeError) as error:
        raise PictureError(f"expected a path, received {type(path).__name__}: {first_line(error)}") from None


def _from_array(array: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], float]:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)):
        raise PictureError(
            "expected an array uint8[H, W], uint8[H, W, 3] or uint8[H, W, 4], "
            f"received {array.dtype}{list(array.shape)}"
        )
    height, width = array.shape[:2]
    _check_size(width, height, "array")
    pixels = shrunk(height, width, array.__getitem__)
    return pixels, max(height, width) / max(pixels.shape)


def _decode(source: Any, where: str, grey: bool) -> tuple[npt.NDArray[np.uint8], float]:
    """The pixels of an encoded file's bytes, or of a PIL image, which is not changed, and their scale."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("pillow", "image", "reading picture files") from None
    expected = (*DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning, UnidentifiedImageError)
    try:
        if not isinstance(source, bytes):
            _check_size(source.width, source.height, where)
            pixels = _from_pil(source, where, grey)
            return pixels, max(source.size) / max(pixels.shape)
        if not source:
            raise PictureError(f"{where}: expected a picture, received an empty file")
        if len(source) > MAX_BYTES:
            raise PictureError(f"{where}: expected at most {MAX_BYTES:,} bytes, received more")
        formats = [*FORMATS, *({"HEIF"} & Image.OPEN.keys())]  # HEIF where pillow-heif has been registered
        stream = io.BytesIO(source)
        if jfif := source[6:10] == b"JFIF":  # hidden, since Pillow swallows every exception while it reads its density
            stream.getbuffer()[6:10] = b"none"
        with Image.open(stream, formats=formats) as image:
            if jfif:
                stream.getbuffer()[6:10] = b"JFIF"
            _check_size(image.width, image.height, where)
            width, height = image.size
            if image.format == "JPEG":
                image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # decode at 1/2, 1/4 or 1/8 of the size
            if (needed := decoding_memory(image, source, (width, height))) > MAX_MEMORY:
                raise PictureError(
                    f"{where}: expected a picture that is decoded in {MAX_MEMORY // 10**6} MB of memory, received a "
                    f"{image.format} of {width} x {height} pixels, stored so that it takes {needed // 10**6:,} MB; "
                    "a PNG takes less"
                )
            pixels = _from_pil(image, where, grey)
            return pixels, max(width, height) / max(pixels.shape)
    except expected as error:
        if type(error) not in expected:  # raised by the program around us, such as a TimeoutError by a signal handler
            raise
        if isinstance(error, Image.DecompressionBombError):
            raise PictureError(f"{where}: expected at most {MAX_PIXELS:,} pixels, received far more") from None
        if isinstance(error, UnidentifiedImageError):
            raise PictureError(f"{where}: expected a picture, received bytes of no known picture format") from None
        raise PictureError(f"{where}: a damaged or truncated picture: {first_line(error)}") from None


def _from_pil(image: Any, where: str, grey: bool) -> npt.NDArray[np.uint8]:
    image.load()  # also turns a TIFF upright
    white = _white(image, where) if image.mode.startswith(("I", "F")) else None
    transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if transparent else "L" if white or image.mode in ("1", "L") else "RGB"

    reduced = grey and mode == "RGB"
    channel = _inked_channel(image) if reduced else None

    def cut(rows: slice) -> npt.NDArray[np.uint8]:
        strip = _cut(image, rows)
        if reduced:
            strip = strip if strip.mode == "RGB" else strip.convert("RGB")
            return _numbers(strip.convert("L") if channel is None else strip.getchannel(channel))
        if white is not None:
            return (_numbers(strip).clip(min=0) * (255 / white)).astype(np.uint8)
        return _numbers(strip if strip.mode == mode else strip.convert(mode))

    pixels = shrunk(image.height, image.width, cut)
    turn = image.getexif().get(0x0112)
    if turn in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: -1 if turn in (3, 4, 7, 8) else 1, :: -1 if turn in (2, 3, 6, 7) else 1])


def _inked_channel(image: Any) -> int | None:
    """The channel in which ink stands out far more than by luma, if any, found in a small copy."""
    step = max(1, max(image.size) // SAMPLED)
    small = image.resize((-(-image.width // step), -(-image.height // step)), 0)  # the nearest pixels
    return inked_channel(_numbers(small.convert("RGB")))


def _cut(image: Any, rows: slice) -> Any:
    return image.crop((0, rows.start, image.width, rows.stop))


def _numbers(image: Any) -> npt.NDArray[Any]:
    """The values of a small PIL image: not by `np.asarray`, which swallows what a signal handler raises meanwhile."""
    from PIL import ImageMode

    described = ImageMode.getmode(image.mode)
    shape = (image.height, image.width, len(described.bands))
    return np.frombuffer(image.tobytes(), described.typestr).reshape(shape[: 2 + (shape[2] > 1)])


def _white(image: Any, where: str) -> float:
    """The value of white in a picture of 16 or 32 bits a pixel, which Pillow would clip instead of scale."""
    brightest = -np.inf
    for rows in spans(image.height, image.width)[1]:
        numbers = _numbers(_cut(image, rows))
        if not np.isfinite(numbers).all():
            raise PictureError(f"{where}: expected finite pixels, received some that are no numbers")
        brightest = max(brightest, float(numbers.max()))
    return next((white for white in (1, 255, 65535) if brightest <= white), brightest)


def _check_size(width: int, height: int, where: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"{where}: expected at most {MAX_PIXELS:,} pixels, received {width} x {height}")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{where}: expected at least {MIN_SIDE} x {MIN_SIDE} pixels, received {width} x {height}")
    if max(width, height) > LONGEST * min(width, height):
        raise PictureError(f"{where}: expected sides of up to 1 : {LONGEST}, received {width} x {height} pixels")
