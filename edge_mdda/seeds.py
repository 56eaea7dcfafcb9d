"""The seeds of several purifications of one image, all of them known from the first."""

from __future__ import annotations

import hashlib


def derive(seed: int, count: int) -> list[int]:
    """The seeds, in [0, 2⁶⁴), of `count` purifications: the seed itself, then the hashes of it and a number.

    The i-th, from i = 1 on, is the first eight bytes, the highest first, of the SHA-256 of the text "SEED i", both in
    decimal. Not SEED + i: the purifier adds the number of a block to the seed (`coefficients.noise_keys`), so the
    noise of one purification's second block would be that of the next one's first.
    """
    texts = [f"{seed} {number}".encode() for number in range(1, count)]
    return [seed, *(int.from_bytes(hashlib.sha256(text).digest()[:8], "big") for text in texts)]
