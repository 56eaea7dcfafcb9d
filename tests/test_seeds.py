"""Seeds of several purifications are known from the first, and draw noise that has nothing in common."""

from __future__ import annotations

import hashlib

import numpy as np

from edge_mdda import EDGE, seeds
from edge_mdda.workspace import Workspace


def test_the_first_is_the_seed_itself_and_more_only_add_to_them() -> None:
    assert seeds.derive(5, 1) == [5]
    assert seeds.derive(5, 4)[:2] == seeds.derive(5, 2)
    assert seeds.derive(2**64 - 1, 2) == [
        2**64 - 1,
        int(hashlib.sha256(b"18446744073709551615 1").hexdigest()[:16], 16),
    ]


def test_they_are_in_range_and_all_different() -> None:
    many = [each for seed in range(100) for each in seeds.derive(seed, 64)]
    assert len(set(many)) == len(many)
    assert 0 <= min(many) <= max(many) < 2**64


def test_no_plane_of_any_block_has_the_noise_of_another_one() -> None:
    """Neighbouring seeds would: block 1 of one is block 0 of the next."""
    workspace = Workspace(64, 64, EDGE, threads=1)

    def keys(of: list[int]) -> int:
        return len(np.unique(np.concatenate([workspace.noise_keys(seed, 2).reshape(-1, 2) for seed in of]), axis=0))

    planes = workspace.noise_keys(7, 2).size // 2
    assert keys(seeds.derive(7, 16)) == 16 * planes
    assert keys(list(range(7, 23))) < 16 * planes
