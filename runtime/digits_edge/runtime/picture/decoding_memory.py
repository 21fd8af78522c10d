"""Tell from a picture's headers how much memory Pillow and its libraries take to decode it."""

from __future__ import annotations

from typing import Any, Final

ONE_BYTE: Final = ("1", "L", "P")  # Pillow's modes of one byte a pixel; I;16 takes two, the others four
COPIES: Final = {"bmp_rle": 2, "ppm": 2, "ppm_plain": 2, "gif": 1}  # besides the picture, by Pillow's decoder
WEBP_BYTES: Final = 16  # a pixel, besides the picture: two canvases, a lossless one, and the bytes that are returned
COEFFICIENT: Final = 2  # bytes
JPEG_IN_TIFF: Final = 13  # bytes a pixel of a strip: RGBA, samples and coefficients
# Tags of TIFF
WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, STRIP, TILE = 256, 257, 258, 262, 274, 277, 278, (322, 323)


def decoding_memory(image: Any, data: bytes, size: tuple[int, int]) -> int:
    """Return an upper estimate in bytes.

    Args:
        image: A PIL image that has been opened from `data`, perhaps drafted, and not been decoded.
        data: The file's bytes.
        size: Its width and height before `image.draft`.
    """
    decoder = image.tile[0][0] if image.tile else ""
    itself: int = (
        image.width * image.height * (1 if image.mode in ONE_BYTE else 2 if image.mode.startswith("I;16") else 4)
    )
    if image.format == "WEBP":
        return itself + WEBP_BYTES * size[0] * size[1]
    if decoder == "jpeg" and not _is_one_scan(data, len(image.layer)):
        across, down = (max(component[axis] for component in image.layer) for axis in (1, 2))
        samples = sum(component[1] * component[2] for component in image.layer) / (across * down)  # a pixel
        return itself + int(COEFFICIENT * samples * size[0] * size[1])
    if decoder == "libtiff":
        return itself * (1 if image.tag_v2.get(ORIENTATION, 1) == 1 else 2) + _of_a_strip(image)
    return itself * (1 + COPIES.get(decoder, 0))


def _is_one_scan(data: bytes, components: int) -> bool:
    """Whether a JPEG is sequential and its first scan has all components; else libjpeg keeps all coefficients."""
    at = 2
    while data[at] == 0xFF and data[at + 1] not in (0xC2, 0xCA, 0xDA):  # start of a progressive frame, of a scan
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[at : at + 5] == bytes([0xFF, 0xDA, 0, 6 + 2 * components, components])


def _of_a_strip(image: Any) -> int:
    """The memory for the largest strip or tile of a packed TIFF."""
    tags = image.tag_v2
    if TILE[0] in tags:
        pixels = tags[TILE[0]] * tags[TILE[1]]
    else:
        pixels = tags[WIDTH] * min(tags.get(STRIP) or tags[HEIGHT], tags[HEIGHT])
    if "jpeg" in image.info["compression"] or image.info["compression"] == "webp" or tags.get(PHOTOMETRIC) == 6:
        return int(pixels) * JPEG_IN_TIFF
    return int(pixels * max(tags.get(BITS, (1,))) * tags.get(SAMPLES, 1)) // 8
