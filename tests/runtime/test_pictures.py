"""Whatever holds a picture is read and brought to MNIST's form, or refused in words."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import PictureError
from digits_edge.runtime.picture import decode
from digits_edge.runtime.picture.decode import read_picture
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.runtime.picture.mnist_form import is_normalised
from digits_edge.runtime.picture.preprocess import prepare
from digits_edge.runtime.picture.resize import resize
from digits_edge.runtime.picture.shrink import to_grey


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def photo():
    """A dark vertical bar left of the middle on light paper, 60 high and 40 wide."""
    array = np.full((60, 40), 220, np.uint8)
    array[10:50, 8:14] = 40
    return array


@pytest.mark.parametrize(
    ("kind", "mode"),
    [*(("PNG", mode) for mode in ("L", "RGB", "RGBA", "P", "LA")), *(("TIFF", mode) for mode in ("L", "RGBA", "CMYK"))],
)
def test_modes_and_formats(photo, mode, kind):
    read = to_grey(read_picture(encoded(Image.fromarray(photo).convert(mode), kind)))
    np.testing.assert_allclose(read.astype(int), photo, atol=3)


def test_a_path_bytes_an_image_and_an_array_are_the_same_picture(photo, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(Image.fromarray(photo)))
    for source in (path, str(path), path.read_bytes(), Image.open(path), photo):
        np.testing.assert_array_equal(read_picture(source), photo)


def test_16_bits_are_scaled_not_clipped(photo):
    deep = Image.fromarray(photo.astype(np.uint16) * 257)
    np.testing.assert_allclose(read_picture(encoded(deep)).astype(int), photo, atol=1)


def test_transparency_shows_white():
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert to_grey(read_picture(encoded(image))).min() == 255
    array = np.zeros((20, 20, 4), np.uint8)
    assert read_picture(array).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(photo, orientation):
    turned = {
        1: photo, 2: photo[:, ::-1], 3: photo[::-1, ::-1], 4: photo[::-1], 5: photo.T, 6: photo.T[::-1],
        7: photo.T[::-1, ::-1], 8: photo.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(turned)), "JPEG", exif=exif, quality=95)
    np.testing.assert_allclose(to_grey(read_picture(data)).astype(int), photo, atol=30)


def test_a_large_photograph_is_shrunk_while_it_is_read():
    data = encoded(Image.new("RGB", (6000, 4000), "white"), "JPEG")
    assert max(read_picture(data).shape) <= 2048
    assert max(read_picture(encoded(Image.new("1", (6000, 4000)))).shape) <= 2048


def png(side: int, kind: int = 0, packed: bytes = zlib.compress(bytes(99))) -> bytes:
    """A PNG with that side in its header, 8 bits a sample of a kind (0 for grey, 4 for grey with alpha)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


BAD = {
    "EPS, which Pillow gives to Ghostscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "no known pict"),
    "FITS": (b"".join(card.ljust(80) for card in (b"SIMPLE  =                    T", b"END")) * 36, "no known picture"),
    "nothing": (b"", "received an empty file"),
    "no picture": (b"hello" * 30, "no known picture format"),
    "a bomb": (png(100_000), "expected at most 64,000,000 pixels"),
    "a strip": (encoded(Image.new("L", (9, 1000))), "expected sides of up to 1 : 100, received 9 x 1000"),
    "too small": (encoded(Image.new("L", (7, 30))), "expected at least 8 x 8 pixels, received 7 x 30"),
    "truncated": (encoded(Image.effect_noise((90, 90), 90))[:3000], "damaged or truncated"),
    "truncated jpeg": (encoded(Image.effect_noise((90, 90), 90), "JPEG")[:900], "damaged or truncated"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_in_words(kind, tmp_path):
    data, expected = BAD[kind]
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(PictureError, match=expected):
        read_picture(data)
    with pytest.raises(PictureError, match=r"bad\.png: "):
        read_picture(tmp_path / "bad.png")


def test_a_damaged_pil_image_is_refused_and_a_good_one_left_as_it_is():
    truncated = Image.open(io.BytesIO(BAD["truncated"][0]))
    with pytest.raises(PictureError, match="damaged or truncated"):
        read_picture(truncated)
    large = Image.open(io.BytesIO(encoded(Image.new("L", (3000, 3000)), "JPEG")))
    read_picture(large)
    assert large.size == (3000, 3000)


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_float_pictures_of_any_range(photo, white):
    image = Image.fromarray((photo / 255 * white).astype(np.float32))
    np.testing.assert_allclose(read_picture(encoded(image, "TIFF")).astype(int), photo, atol=1)
    with pytest.raises(PictureError, match="no numbers"):
        read_picture(Image.fromarray(np.full((20, 20), np.nan, np.float32)))


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((28, 28)),
        np.zeros((28, 28, 2), np.uint8),
        np.zeros(784, np.uint8),
        np.zeros((7, 28), np.uint8),
        None,
        42,
        ["photo.jpg"],
        "no\0path",
        "",
        "/no/such/file.png",
    ],
    ids=repr,
)
def test_what_is_no_picture_is_refused(source):
    with pytest.raises(PictureError):
        read_picture(source)


def test_strange_sources_are_refused_in_words():
    class Broken:
        def __fspath__(self):
            raise RuntimeError("it broke")

    released = memoryview(b"abc")
    released.release()
    for source, expected in ((released, "released"), ("/dev/zero", "expected a regular file")):
        with pytest.raises(PictureError, match=expected):
            read_picture(source)
    with pytest.raises(RuntimeError, match="it broke"):  # the program's own exception
        read_picture(Broken())


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=400), cut=st.integers(0, 3000), kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF"])
)
def test_whatever_the_bytes_only_our_errors_come_out(data, cut, kind):
    whole = encoded(Image.linear_gradient("L").resize((40, 40)), kind)
    for damaged in (data, whole[:cut] + data + whole[cut + len(data) :]):
        try:
            read_picture(damaged)
        except PictureError as error:
            assert "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(8, 70), st.integers(8, 70))))
def test_whatever_the_array_there_is_a_normalised_picture_or_no_ink(array):
    pixels = find_digit(array).pixels
    if pixels is not None:
        assert pixels.dtype == np.uint8
        assert pixels.shape == (28, 28)
        assert pixels.max() >= 128


@pytest.mark.parametrize("shape", [(8, 800), (800, 8), (9, 161), (8, 8), (100, 9000)])
def test_strips_of_any_shape_are_looked_at(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for array in (noise, noise // 2 + 100, np.zeros(shape, np.uint8), np.tile(noise[:, :1], shape[1])):
        pixels = find_digit(array).pixels
        assert pixels is None or pixels.shape == (28, 28)


def test_blank_paper_has_no_ink():
    assert find_digit(np.full((50, 50), 230, np.uint8)).pixels is None
    gentle = np.linspace(200, 215, 2500).reshape(50, 50).astype(np.uint8)
    assert find_digit(gentle).pixels is None


def test_mnists_own_digits_pass_untouched(digits):
    assert all(find_digit(picture).pixels is picture for picture in digits.pixels)


@pytest.mark.parametrize("scale", [1, 3, 7.3])
@pytest.mark.parametrize("paper", ["black", "white"])
def test_a_digit_of_any_size_polarity_and_place_comes_back_to_mnists_form(digits, scale, paper):
    overlaps = []
    for digit in digits.pixels[::50]:
        side = round(28 * scale)
        big = np.clip(resize(digit.astype(np.float32), side, side), 0, 255).astype(np.uint8)
        moved = np.zeros((side + 60, side + 90), np.uint8)
        moved[50 : 50 + side, 9 : 9 + side] = big
        pixels = find_digit(255 - moved if paper == "white" else moved).pixels
        assert pixels is not None
        assert is_normalised(pixels)
        overlaps.append(np.corrcoef(pixels.ravel(), digit.ravel())[0, 1])
    assert np.median(overlaps) > 0.75


def test_resize_keeps_the_mean_and_agrees_with_pillow():
    noise = np.random.default_rng(0).integers(0, 256, (61, 47), dtype=np.uint8)
    for height, width in ((28, 28), (13, 40), (90, 70)):
        oracle = np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR), np.float32)
        np.testing.assert_allclose(resize(noise.astype(np.float32), height, width), oracle, atol=1.5)


def test_resize_mode_keeps_polarity_and_colour():
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[..., 1] = 200
    np.testing.assert_array_equal(
        prepare(picture, "resize", (28, 28, 3)).pixels, np.full((28, 28, 3), [0, 200, 0], np.uint8)
    )
    grey = prepare(picture, "resize", (28, 28)).pixels
    assert grey is not None
    assert grey.shape == (28, 28)
    assert np.unique(grey).tolist() == [117]
    assert prepare(grey, "resize", (28, 28)).pixels is grey


def test_a_large_array_is_shrunk_as_the_same_picture_in_a_file_is():
    noise = np.random.default_rng(0).integers(0, 256, (2100, 2049, 4), dtype=np.uint8)
    for array in (noise, noise[..., :3], noise[..., 0]):
        array = np.ascontiguousarray(array)
        small = read_picture(array)
        assert small.shape[:2] == (1050, 1025)
        np.testing.assert_array_equal(small, read_picture(Image.fromarray(array)))
    shrunk = np.asarray(Image.fromarray(noise[..., :3].copy()).reduce(2))
    np.testing.assert_array_equal(read_picture(noise[..., :3].copy()), shrunk)


PEAK = """
import sys, numpy
from PIL import Image
from digits_edge.runtime.picture.decode import read_picture

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

read_picture(Image.new("RGBA", (99, 99)))
source = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else numpy.full((8000, 8000, 4), 99, numpy.uint8)
before = peak()
read_picture(source)
print((peak() - before) * 1024)
"""


def packed(rows: int, row: int) -> bytes:
    """Rows of zeros, packed for a PNG."""
    packer = zlib.compressobj(1)
    return b"".join([packer.compress(bytes(row + 1)) for _ in range(rows)]) + packer.flush()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["grey with alpha", "array"])
def test_a_picture_of_64_megapixels_takes_at_most_300_mb(kind, tmp_path):
    (tmp_path / "large.png").write_bytes(png(8000, 4, packed(8000, 16000)))
    words = [] if kind == "array" else [str(tmp_path / "large.png")]
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True)
    assert int(done.stdout) < (300e6 if words else 60e6)


def of_a_strip(**options: object) -> dict[str, object]:
    return {"kind": "TIFF", "strip_size": 2**30, **options}


@pytest.mark.parametrize(
    ("taken", "options"),  # bytes a pixel
    [
        (1, {"kind": "PNG", "mode": "L"}),
        (4, {"kind": "PNG"}),
        (4, {"kind": "JPEG"}),
        (7, {"kind": "JPEG", "progressive": True}),
        (10, {"kind": "JPEG", "progressive": True, "subsampling": 0}),
        (20, {"kind": "WEBP"}),
        (4, {"kind": "TIFF"}),
        (7, of_a_strip(compression="tiff_lzw")),
        (17, of_a_strip(compression="jpeg")),
        (11, of_a_strip(compression="tiff_lzw", tiffinfo={0x0112: 6})),
    ],
)
def test_a_form_that_takes_more_memory_may_have_fewer_pixels(taken, options, monkeypatch):
    form = {"kind": "PNG", "mode": "RGB", **options}
    picture = Image.effect_noise((200, 200), 90).convert(form.pop("mode"))
    data = encoded(picture, **form)
    monkeypatch.setattr(decode, "MAX_MEMORY", 40_000 * taken)
    read_picture(data)
    monkeypatch.setattr(decode, "MAX_MEMORY", 40_000 * taken - 1)
    with pytest.raises(PictureError, match=r"of 200 x 200 pixels, stored so that it takes"):
        read_picture(data)


class TimeIsUp(Exception):
    """What a program raises in a signal handler."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such timer")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("raised", [TimeIsUp, TimeoutError, MemoryError])
def test_what_a_signal_handler_raises_comes_out(kind, raised):
    def handler(*_):
        raise raised

    def predict_for(seconds):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            classifier.predict(data)

    classifier, chance = Classifier.load(), np.random.default_rng(0)
    data = encoded(Image.effect_noise((90, 90), 90).convert("RGBA" if kind == "PNG" else "RGB"), kind)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(60):
            with pytest.raises(raised):
                predict_for(chance.uniform(1e-4, 8e-3))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
