"""The pixel gate, with encoded images built here bit by bit where OpenCV cannot write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image
from edge_mdda.errors import ImageError
from tests.conftest import draw

PIXELS = image.to_uint8(draw(40, 56))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(samples: NDArray[np.integer], colour_type: int, *, chunks: bytes = b"", depth: int = 8) -> bytes:
    """A PNG of samples (H, W) or (H, W, channels) as they are, with any further chunks before the pixels."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2" if depth == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return image._PNG_SIGNATURE + header + chunks + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")


def jpeg_with_exif(pixels: NDArray[np.uint8], orientation: int) -> bytes:
    encoded = image.encode_jpeg(pixels)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"
    return encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + encoded[2:]


def jpeg_frame(data: bytes) -> int:
    """Where the frame header (SOF0) of a JPEG that OpenCV wrote begins."""
    return data.index(b"\xff\xc0")


class TestFormats:
    def test_png_comes_back_bit_for_bit(self) -> None:
        assert np.array_equal(image.decode(image.encode_png(PIXELS)), PIXELS)

    def test_jpeg_comes_back_close_and_as_rgb(self) -> None:
        decoded = image.decode(image.encode_jpeg(PIXELS))
        assert decoded.dtype == np.uint8
        assert np.abs(decoded.astype(int) - PIXELS).mean() < 4

    def test_progressive_jpeg_is_read(self) -> None:
        done, encoded = cv2.imencode(".jpg", PIXELS[..., ::-1], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
        assert done
        assert image.decode(encoded.tobytes()).shape == PIXELS.shape

    @pytest.mark.parametrize(
        ("data", "name"),
        [
            (b"GIF89a" + bytes(100), "GIF"),
            (cv2.imencode(".bmp", PIXELS)[1].tobytes(), "BMP"),
            (cv2.imencode(".tiff", PIXELS)[1].tobytes(), "TIFF"),
            (b"MM\0*" + bytes(100), "TIFF"),
            (cv2.imencode(".webp", PIXELS)[1].tobytes(), "WebP"),
            (b"%PDF-1.7", "PDF"),
            (b"hello, world", "something else"),
            (bytes(1000), "something else"),
            (b"\x89PN", "something else"),
        ],
    )
    def test_other_formats_are_refused_by_name(self, data: bytes, name: str) -> None:
        with pytest.raises(ImageError, match=f"expected a JPEG or PNG image, got {name}"):
            image.decode(data)

    def test_empty_is_refused(self) -> None:
        with pytest.raises(ImageError, match="got an empty file"):
            image.decode(b"")


class TestSamples:
    def test_grey_becomes_rgb(self) -> None:
        grey = PIXELS[..., 0]
        for encoded in (png(grey, 0), cv2.imencode(".jpg", grey)[1].tobytes()):
            decoded = image.decode(encoded)
            assert decoded.shape == (40, 56, 3)
            assert np.array_equal(decoded[..., 0], decoded[..., 2])
        assert np.array_equal(image.decode(png(grey, 0))[..., 1], grey)

    def test_palette_becomes_rgb(self) -> None:
        palette = np.arange(768, dtype=np.uint8).reshape(256, 3)
        indices = PIXELS[..., 0]
        assert np.array_equal(
            image.decode(png(indices, 3, chunks=png_chunk(b"PLTE", palette.tobytes()))), palette[indices]
        )

    def test_16_bit_samples_keep_their_upper_bits(self) -> None:
        samples = PIXELS.astype(np.uint16) * 256 + 77
        assert np.array_equal(image.decode(png(samples, 2, depth=16)), PIXELS)

    @pytest.mark.parametrize("depth", [8, 16])
    def test_opaque_alpha_is_dropped(self, depth: int) -> None:
        factor = 257 if depth == 16 else 1
        opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255)]) * factor
        assert np.array_equal(image.decode(png(opaque, 6, depth=depth)), PIXELS)

    @pytest.mark.parametrize("depth", [8, 16])
    def test_one_transparent_pixel_is_refused(self, depth: int) -> None:
        alpha = np.full(PIXELS.shape[:2], 255 * (257 if depth == 16 else 1))
        alpha[3, 4] -= 1
        with pytest.raises(ImageError, match="expected an opaque image"):
            image.decode(png(np.dstack([PIXELS, alpha]), 6, depth=depth))

    def test_grey_alpha_is_handled_as_alpha(self) -> None:
        grey = PIXELS[..., 0]
        opaque = np.dstack([grey, np.full_like(grey, 255)])
        assert np.array_equal(image.decode(png(opaque, 4))[..., 0], grey)
        with pytest.raises(ImageError, match="expected an opaque image"):
            image.decode(png(np.dstack([grey, grey]), 4))

    def test_transparent_palette_entry_is_refused_where_a_pixel_uses_it(self) -> None:
        plte = png_chunk(b"PLTE", bytes(range(256)) * 3)
        trns = png_chunk(b"tRNS", bytes([255] * 7 + [0]))
        unused, used = np.full((32, 32), 3), np.full((32, 32), 7)
        assert image.decode(png(unused, 3, chunks=plte + trns)).shape == (32, 32, 3)
        with pytest.raises(ImageError, match="expected an opaque image"):
            image.decode(png(used, 3, chunks=plte + trns))

    def test_transparent_colour_of_an_rgb_png_is_refused(self) -> None:
        trns = png_chunk(b"tRNS", struct.pack(">HHH", *(int(value) for value in PIXELS[0, 0])))
        with pytest.raises(ImageError, match="expected an opaque image"):
            image.decode(png(PIXELS, 2, chunks=trns))

    def test_cmyk_jpeg_is_refused_by_its_header(self) -> None:
        data = bytearray(image.encode_jpeg(PIXELS))
        data[jpeg_frame(data) + 9] = 4
        with pytest.raises(ImageError, match="got CMYK"):
            image.read_header(bytes(data))

    def test_12_bit_and_lossless_jpeg_are_refused_by_their_header(self) -> None:
        data = bytearray(image.encode_jpeg(PIXELS))
        frame = jpeg_frame(data)
        data[frame + 4] = 12
        with pytest.raises(ImageError, match="8 bits a sample, got 12"):
            image.read_header(bytes(data))
        data[frame + 1] = 0xC3
        with pytest.raises(ImageError, match="got frame type SOF3"):
            image.read_header(bytes(data))

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, orientation: int) -> None:
        turned = {
            1: PIXELS,
            2: PIXELS[:, ::-1],
            3: PIXELS[::-1, ::-1],
            4: PIXELS[::-1],
            5: PIXELS.swapaxes(0, 1),
            6: np.rot90(PIXELS, -1),
            7: np.rot90(PIXELS.swapaxes(0, 1), 2),
            8: np.rot90(PIXELS),
        }
        decoded = image.decode(jpeg_with_exif(PIXELS, orientation))
        assert decoded.shape == turned[orientation].shape
        assert np.abs(decoded.astype(int) - turned[orientation]).mean() < 4


class TestDamage:
    @pytest.mark.parametrize("encode", [image.encode_png, image.encode_jpeg])
    def test_truncated_anywhere_is_refused(self, encode: Callable[[NDArray[np.uint8]], bytes]) -> None:
        data = encode(PIXELS)
        for length in [*range(1, 64), *range(64, len(data) - 1, 37), len(data) - 2, len(data) - 1]:
            with pytest.raises(ImageError, match="expected"):
                image.decode(data[:length])

    @pytest.mark.parametrize("encode", [image.encode_png, image.encode_jpeg])
    def test_random_damage_gives_an_image_or_an_image_error(self, encode: Callable[[NDArray[np.uint8]], bytes]) -> None:
        whole = encode(PIXELS)
        random = np.random.default_rng(0)
        for _ in range(300):
            data = bytearray(whole)
            for position in random.integers(0, len(data), 4):
                data[position] = random.integers(256)
            try:
                decoded = image.decode(bytes(data), max_pixels=10**6)
            except ImageError:
                continue
            assert decoded.dtype == np.uint8
            assert decoded.ndim == 3
            assert decoded.shape[2] == 3

    def test_garbage_after_the_signature_is_refused(self) -> None:
        random = np.random.default_rng(1)
        for start in (b"\xff\xd8", b"\xff\xd8\xff", image._PNG_SIGNATURE):
            for _ in range(100):
                with pytest.raises(ImageError):
                    image.decode(start + random.bytes(200))

    def test_png_with_wrong_checksum_or_missing_pixels_is_refused(self) -> None:
        data = bytearray(png(PIXELS, 2))
        data[data.index(b"IDAT") + 10] ^= 0xFF
        with pytest.raises(ImageError, match="decodable PNG data"):
            image.decode(bytes(data))
        short = png(PIXELS[:10], 2)
        header = png(PIXELS, 2)[:33]
        with pytest.raises(ImageError, match="decodable PNG data"):
            image.decode(header + short[33:])


class TestLimits:
    def test_pixel_bombs_are_refused_before_decoding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
        bomb = bytearray(png(PIXELS, 2))
        bomb[16:24] = struct.pack(">II", 60_000, 60_000)
        with pytest.raises(ImageError, match="at most 50000000 pixels, got 60000×60000"):
            image.decode(bytes(bomb))
        bomb = bytearray(image.encode_jpeg(PIXELS))
        frame = jpeg_frame(bomb)
        bomb[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
        with pytest.raises(ImageError, match="at most 50000000 pixels, got 65500×65500"):
            image.decode(bytes(bomb))

    def test_a_second_frame_header_does_not_hide_a_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = image.encode_jpeg(PIXELS)
        frame = jpeg_frame(data)
        segment = bytearray(data[frame : frame + 19])
        segment[5:9] = struct.pack(">HH", 65_500, 65_500)
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
        for frames in (bytes(segment) + data[frame : frame + 19], data[frame : frame + 19] + bytes(segment)):
            with pytest.raises(ImageError, match="expected one JPEG frame header, got several"):
                image.decode(data[:frame] + frames + data[frame + 19 :])

    def test_too_many_bytes_are_refused(self) -> None:
        data = image.encode_png(PIXELS)
        with pytest.raises(ImageError, match=f"at most 100 bytes, got {len(data)}"):
            image.decode(data, max_bytes=100)

    def test_small_sides_are_refused(self) -> None:
        with pytest.raises(ImageError, match="at least 32 pixels, got 56×31"):
            image.decode(image.encode_png(PIXELS[:31]))
        assert image.decode(image.encode_png(PIXELS[:32, :32])).shape == (32, 32, 3)


class TestArrays:
    @pytest.mark.parametrize(
        ("pixels", "message"),
        [
            ([[1, 2], [3, 4]], "expected a NumPy array, got list"),
            (None, "expected a NumPy array, got NoneType"),
            (np.zeros((40, 40, 3)), "uint8 or float32, got float64"),
            (np.zeros((40, 40, 3), np.int8), "uint8 or float32, got int8"),
            (np.zeros((40, 40), np.uint8), r"\(height, width, 3\), got \(40, 40\)"),
            (np.zeros((40, 40, 4), np.uint8), r"got \(40, 40, 4\)"),
            (np.zeros((1, 40, 40, 3), np.uint8), r"got \(1, 40, 40, 3\)"),
            (np.zeros((3, 40, 40), np.uint8), r"got \(3, 40, 40\)"),
            (np.zeros((31, 40, 3), np.uint8), "at least 32 pixels, got 40×31"),
            (np.zeros((0, 0, 3), np.uint8), "at least 32 pixels"),
            (np.full((40, 40, 3), 1.01, np.float32), r"in \[0, 1\], got 1.01 to 1.01"),
            (np.full((40, 40, 3), -0.01, np.float32), r"in \[0, 1\], got -0.01"),
            (np.full((40, 40, 3), 255, np.float32), r"in \[0, 1\], got 255"),
            (np.broadcast_to(np.uint8(0), (8000, 8000, 3)), "at most 50000000 pixels"),
        ],
    )
    def test_anything_else_is_refused(self, pixels: object, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            image.check(pixels)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_one_nan_or_infinity_is_refused(self, value: float) -> None:
        pixels = draw(40, 56)
        pixels[20, 30, 1] = value
        with pytest.raises(ImageError, match=r"in \[0, 1\]"):
            image.check(pixels)

    def test_good_arrays_pass_as_they_are(self) -> None:
        for pixels in (PIXELS, draw(32, 33), PIXELS[:, ::-1], np.asfortranarray(PIXELS)):
            assert image.check(pixels) is pixels


class TestFit:
    @pytest.mark.parametrize("size", [(32, 48), (80, 64), (40, 100)])
    def test_size_dtype_and_range(self, size: tuple[int, int]) -> None:
        for pixels in (PIXELS, draw(40, 56)):
            fitted = image.fit(pixels, *size)
            assert fitted.shape == (*size, 3)
            assert fitted.dtype == pixels.dtype
            assert image.check(fitted) is fitted

    def test_same_size_is_left_alone(self) -> None:
        assert image.fit(PIXELS, 40, 56) is PIXELS

    def test_going_down_averages_areas(self) -> None:
        pixels = draw(64, 64)
        assert np.allclose(image.fit(pixels, 32, 32), pixels.reshape(32, 2, 32, 2, 3).mean((1, 3)), atol=1e-6)

    def test_to_uint8_rounds_and_inverts(self) -> None:
        levels = np.arange(256, dtype=np.uint8)
        assert np.array_equal(image.to_uint8(levels / np.float32(255)), levels)
