"""What an encoded image may be at most, and the least an image may be; known without loading a decoder."""

from __future__ import annotations

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000
MIN_SIDE = 32
