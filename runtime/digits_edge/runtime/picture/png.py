"""Write pixels as PNG, and a text with them, where there is no pillow.

The format is that of the PNG specification (https://www.w3.org/TR/png-3/): chunks of a length, a type, data and a CRC.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
COLOURS: Final = {1: 0, 3: 2, 4: 6}  # PNG's number for grey, RGB and RGBA, by their channels
KEYWORD: Final = b"digits-edge"


def encode(pixels: npt.NDArray[np.uint8], text: str | None = None) -> bytes:
    """Encode uint8[H, W], uint8[H, W, 3] or uint8[H, W, 4] as PNG, with an ASCII text that `text_of` reads."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # each row with filter 0, none
    header = struct.pack(">IIBBBBB", width, height, 8, COLOURS[rows.shape[1] // width], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    if text is not None:
        chunks.insert(1, (b"tEXt", KEYWORD + b"\0" + text.encode("ascii")))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def text_of(png: bytes) -> str | None:
    """The text that `encode` wrote; None if there is none."""
    marked = KEYWORD + b"\0"
    found = (data for kind, data in _chunks(png) if kind == b"tEXt" and data.startswith(marked))
    text = next(found, None)
    return None if text is None else text[len(marked) :].decode("ascii", "replace")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Types and data of a PNG's chunks, as far as it goes."""
    place = len(SIGNATURE) if png.startswith(SIGNATURE) else len(png)
    while place + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        yield kind, png[place + 8 : place + 8 + length]
        place += length + 12
