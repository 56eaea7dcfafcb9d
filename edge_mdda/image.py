"""The only gate for pixels: encoded bytes or arrays in, checked RGB out.

Nothing is decoded before its header has been read and found within the limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda.errors import ImageError, TooLargeError
from edge_mdda.limits import MAX_BYTES, MAX_PIXELS, MIN_SIDE

# JPEG frame headers (ITU-T T.81 table B.1): SOF0 to SOF15 but for DHT, JPG and DAC, which share the range.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_OR_ARITHMETIC = _FRAME_MARKERS - {0xC0, 0xC1, 0xC2}
# In entropy-coded data 0xFF is followed by a stuffed zero, a restart marker or fill; anything else ends it.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OTHER_FORMATS = {b"GIF8": "GIF", b"BM": "BMP", b"II*\x00": "TIFF", b"MM\x00*": "TIFF", b"RIFF": "WebP", b"%PDF": "PDF"}


@dataclass(frozen=True)
class Header:
    """What the header of an encoded image says: its format, stored size in pixels, and whether it has transparency."""

    format: str
    width: int
    height: int
    transparency: bool = False


def read_header(data: bytes) -> Header:
    """Read and check the header of an encoded JPEG or PNG image without decoding it.

    Raises:
        ImageError: empty, not JPEG or PNG, truncated, CMYK, or a kind of JPEG that is not decoded here.
    """
    if not data:
        raise ImageError("expected a JPEG or PNG image, got an empty file")
    if data.startswith(b"\xff\xd8"):
        return _read_jpeg_header(data)
    if data.startswith(_PNG_SIGNATURE):
        return _read_png_header(data)
    found = next((name for magic, name in _OTHER_FORMATS.items() if data.startswith(magic)), "something else")
    raise ImageError(f"expected a JPEG or PNG image, got {found}")


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG image to uint8 RGB (H, W, 3), EXIF orientation applied.

    Grey and palette images become RGB, 16-bit samples keep their upper 8 bits, an opaque alpha channel is dropped.

    Raises:
        TooLargeError: more than `max_bytes` bytes or `max_pixels` pixels.
        ImageError: what `read_header` refuses; a side under 32 pixels; transparent pixels; undecodable data.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"expected at most {max_bytes} bytes, got {len(data)}")
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise TooLargeError(f"expected at most {max_pixels} pixels, got {header.width}×{header.height}")
    if min(header.width, header.height) < MIN_SIDE:
        raise ImageError(f"expected sides of at least {MIN_SIDE} pixels, got {header.width}×{header.height}")
    encoded = np.frombuffer(data, np.uint8)
    try:
        if header.transparency:
            _refuse_transparent(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ImageError(f"expected decodable {header.format} data, got: {str(error).strip()[:200]}") from None
    if pixels is None:
        raise ImageError(f"expected decodable {header.format} data, got damaged data")
    return np.asarray(pixels, np.uint8)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 RGB (H, W, 3) as PNG."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise ImageError(f"expected encodable pixels, got shape {pixels.shape}")
    return encoded.tobytes()


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 95) -> bytes:
    """Encode uint8 RGB (H, W, 3) as JPEG of the given quality (0 to 100)."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f"expected encodable pixels, got shape {pixels.shape}")
    return encoded.tobytes()


def fit(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Squash an RGB image (H, W, 3) to (height, width, 3), aspect not kept, as the paper and the training data do.

    Area averaging going down (of OpenCV's five it comes closest to how the data set's images were made: mean absolute
    difference 2.57 of 255 over 43 originals, linear 2.90, cubic 3.14), cubic going up.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height * width < pixels.shape[0] * pixels.shape[1]
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized if pixels.dtype == np.uint8 else np.clip(resized, 0, 1)


def check(pixels: object) -> NDArray[Any]:
    """Return an RGB image given as array, if it is one: uint8, or float32 in [0, 1], shape (H, W, 3), sides ≥ 32.

    Raises:
        ImageError: any other type, dtype, shape or range, NaN and infinity included.
    """
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"expected a NumPy array, got {type(pixels).__name__}")
    if pixels.dtype not in (np.uint8, np.float32):
        raise ImageError(f"expected dtype uint8 or float32, got {pixels.dtype}")
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"expected shape (height, width, 3), got {pixels.shape}")
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise ImageError(f"expected sides of at least {MIN_SIDE} pixels, got {pixels.shape[1]}×{pixels.shape[0]}")
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise ImageError(f"expected at most {MAX_PIXELS} pixels, got {pixels.shape[1]}×{pixels.shape[0]}")
    if pixels.dtype == np.float32:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):  # NaN compares false, so it is refused here too
            raise ImageError(f"expected float32 values in [0, 1], got {low:g} to {high:g}")
    return pixels


def to_uint8(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round float32 values in [0, 1] to the nearest of 256 levels."""
    return np.asarray(np.rint(pixels * np.float32(255)), np.uint8)


def _read_jpeg_header(data: bytes) -> Header:
    header = None
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ImageError("expected a JPEG marker, got damaged data")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a segment
            position += 2
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2:
            raise ImageError("expected a JPEG segment, got damaged data")
        if marker in _FRAME_MARKERS:
            if header is not None:  # a decoder might go by the other one, past the limits
                raise ImageError("expected one JPEG frame header, got several")
            header = _read_jpeg_frame(data[position + 4 : position + 2 + length], marker)
        position += 2 + length
        if marker == 0xDA:  # start of scan: skip its entropy-coded data
            following = _NEXT_MARKER.search(data, position)
            if following is None:
                raise ImageError("expected a complete JPEG image, got a truncated one")
            position = following.start()
    if header is None:
        raise ImageError("expected a JPEG frame header, got none")
    if data[position : position + 2] != b"\xff\xd9":
        raise ImageError("expected a complete JPEG image, got a truncated one")
    return header


def _read_jpeg_frame(frame: bytes, marker: int) -> Header:
    if len(frame) < 6:
        raise ImageError("expected a complete JPEG image, got a truncated one")
    if marker in _LOSSLESS_OR_ARITHMETIC:
        raise ImageError(f"expected a baseline or progressive JPEG, got frame type SOF{marker - 0xC0}")
    if frame[0] != 8:
        raise ImageError(f"expected a JPEG with 8 bits a sample, got {frame[0]}")
    if frame[5] == 4:
        raise ImageError("expected an RGB or grey JPEG, got CMYK: convert it first")
    return Header("JPEG", int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"))


def _read_png_header(data: bytes) -> Header:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ImageError("expected a complete PNG image, got a truncated one")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    transparency = data[25] in (4, 6)
    position = 8
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        transparency = transparency or kind == b"tRNS"
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IEND" and position <= len(data):
            return Header("PNG", width, height, transparency)
    raise ImageError("expected a complete PNG image, got a truncated one")


def _refuse_transparent(pixels: NDArray[Any] | None) -> None:
    if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4:
        opaque = np.iinfo(pixels.dtype).max
        if (pixels[..., 3] != opaque).any():
            raise ImageError("expected an opaque image, got one with transparent pixels: flatten it first")
