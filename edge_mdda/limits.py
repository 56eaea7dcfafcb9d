"""What an encoded image may be at most, and the least an image may be; known without loading a decoder."""

from __future__ import annotations

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000
MIN_SIDE = 32
#: Purifications of one image that are averaged, at most: beyond the first dozen they change next to nothing.
MAX_SAMPLES = 64
