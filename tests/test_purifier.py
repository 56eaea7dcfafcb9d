"""The Purifier does what MDDA says, the same on every thread count, and allocates nothing once warm."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from edge_mdda import EDGE, PAPER_LARGE, PAPER_SMALL, Parameters, Purifier, purify, reference
from edge_mdda.errors import ImageError, ParameterError
from edge_mdda.workspace import ROW_OVERHEAD, Workspace, pieces, share
from tests.conftest import draw

VARIANTS = [
    PAPER_SMALL,
    PAPER_LARGE,
    EDGE,
    Parameters(blocks=2, scales=(0,)),
    Parameters(blocks=1, scales=(-3, -2, -1, 0)),
    Parameters(blocks=2, scales=(-1, 0, 1, 2), own_scale=False),
    Parameters(blocks=2, sigma=0.0),
    Parameters(blocks=2, weight=0.0),
    Parameters(blocks=2, iterations=0),
    Parameters(blocks=1, step_sizes="accelerated"),
    Parameters(blocks=1, iterations=20),
    Parameters(blocks=1, total_variation="anisotropic"),
    Parameters(blocks=1, channels="joint"),
    Parameters(blocks=1, solver="split-bregman", iterations=3),
    Parameters(blocks=1, sigma=0.01, sigma_meaning="variance"),
]


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
@pytest.mark.parametrize("shape", [(32, 32), (45, 67)])
def test_equals_the_reference_bit_for_bit(parameters, shape):
    image = draw(*shape)
    np.testing.assert_array_equal(
        Purifier(parameters, threads=2).purify(image, seed=5), reference.purify(image, parameters, 5)
    )


@pytest.mark.parametrize("parameters", [PAPER_SMALL, EDGE, Parameters(blocks=1, channels="joint")], ids=str)
def test_the_thread_count_does_not_change_a_bit(parameters):
    image = draw(100, 131)
    first, *others = [Purifier(parameters, threads=n).purify(image, seed=3) for n in (1, 2, 4, 7)]
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_share_every_row_once_and_work_alike(threads):
    planes = Workspace(224, 224, PAPER_SMALL, threads=1).planes
    parts = share(planes, threads)
    rows = [(plane, row) for part in parts for plane, first, last in part for row in range(first, last)]
    assert rows == [(plane, row) for plane in planes for row in range(plane.height)]
    work = [sum((last - first) * (plane.width + ROW_OVERHEAD) for plane, first, last in part) for part in parts]
    assert max(work) - min(work) < 3 * (448 + ROW_OVERHEAD)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_pieces_hold_every_row_once_and_the_smallest_are_taken_last(threads):
    planes = Workspace(224, 224, PAPER_SMALL, threads=1).planes
    cut = pieces(planes, threads)
    rows = sorted((plane.offset, row) for plane, first, last in cut for row in range(first, last))
    assert rows == sorted((plane.offset, row) for plane in planes for row in range(plane.height))
    work = [(last - first) * (plane.width + ROW_OVERHEAD) for plane, first, last in cut]
    assert all(one > another - 2 * (448 + ROW_OVERHEAD) for one, another in itertools.pairwise(work))
    assert work[0] < sum(work) / 3 / max(1, threads - 1)
    assert threads > 1 or len(cut) == len(planes)


def test_every_stage_is_reported_when_it_is_done():
    stages = []
    Purifier(Parameters(blocks=2, iterations=1), on_stage=stages.append).purify(draw(40, 40), seed=1)
    assert stages == ["load", "block", "block", "aggregate", "fuse", "store"]


@pytest.mark.parametrize("threads", [1, 3])
def test_stages_in_one_go_and_one_by_one_give_the_same_bits(threads):
    pixels = np.rint(draw(53, 64) * 255).astype(np.uint8)
    measured = Purifier(EDGE, threads=threads, on_stage=lambda stage: None)
    np.testing.assert_array_equal(
        Purifier(EDGE, threads=threads).purify(pixels, seed=2), measured.purify(pixels, seed=2)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_image_need_not_be_contiguous(dtype):
    pixels = (draw(64, 80) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    wide = np.zeros((64, 160, 3), dtype)
    purifier = Purifier(EDGE, threads=2)
    returned = purifier.purify(np.asfortranarray(pixels), 3, wide[:, ::2])
    assert returned.base is wide
    np.testing.assert_array_equal(wide[:, ::2], purifier.purify(pixels, 3))
    assert not wide[:, 1::2].any()


@pytest.mark.programs
def test_the_seed_decides_in_another_process_too():
    image = draw(40, 40)
    script = (
        "import hashlib, numpy as np; from edge_mdda import purify; from tests.conftest import draw;"
        "print(hashlib.sha256(purify(draw(40, 40), seed=2**64 - 1).tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", script]
    hashes = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in "ab"}
    assert len(hashes) == 1
    np.testing.assert_array_equal(purify(image, seed=9), purify(image, seed=9))
    assert (purify(image, seed=9) != purify(image, seed=10)).any()


def test_two_calls_without_a_seed_differ():
    image = draw(40, 40)
    assert (purify(image) != purify(image)).any()


@pytest.mark.parametrize("solver", ["chambolle-pock", "split-bregman"])
def test_a_constant_image_stays_constant_without_noise(solver):
    image = np.full((48, 37, 3), 0.4, np.float32)
    result = purify(image, Parameters(sigma=0.0, blocks=3, solver=solver), seed=1)
    np.testing.assert_allclose(result, 0.4, atol=1e-6)


def test_no_blocks_leave_pyramid_and_fusion():
    image = draw(64, 64)
    result = purify(image, Parameters(blocks=0), seed=1)
    levels = [reference.resize(reference.resize(image[..., 0], n, n), 64, 64) for n in (16, 32, 64, 128)]
    np.testing.assert_allclose(result[..., 0], np.clip(np.mean(levels, axis=0), 0, 1), atol=1e-6)


def test_the_mean_is_preserved():
    image = draw(128, 128)
    assert abs(float(purify(image, PAPER_SMALL, seed=1).mean() - image.mean())) < 0.003


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_output_stays_inside_the_range(value):
    image = draw(64, 64)
    image[:32] = value
    result = purify(image, Parameters(sigma=0.5), seed=1)
    assert result.min() >= 0
    assert result.max() <= 1


def test_uint8_is_the_rounded_float_result():
    image = np.rint(draw(50, 60) * 255).astype(np.uint8)
    floats = purify(image.astype(np.float32) / np.float32(255), EDGE, seed=4)
    np.testing.assert_array_equal(purify(image, EDGE, seed=4), np.rint(floats * np.float32(255)).astype(np.uint8))


def test_the_hot_path_allocates_nothing_after_the_first_image():
    image = draw(128, 128)
    out = np.empty_like(image)
    purifier = Purifier(PAPER_SMALL, threads=2)
    purifier.purify(image, 1, out)
    tracemalloc.start()
    try:
        purifier.purify(image, 2, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024  # Python objects of the calls; the smallest buffer of a level's channel alone has 4 KiB


def test_one_purifier_serves_many_threads():
    purifier = Purifier(EDGE, threads=2)
    images = [draw(40 + 8 * (k % 3), 50, seed=k) for k in range(6)]
    expected = [Purifier(EDGE, threads=1).purify(image, seed=k) for k, image in enumerate(images)]
    failures: list[int] = []

    def work(k: int) -> None:
        results = (purifier.purify(images[k], seed=k) for _ in range(5))
        failures.extend(k for result in results if not np.array_equal(result, expected[k]))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (draw(40, 40).astype(np.float64), "expected dtype uint8 or float32, got float64"),
        (draw(40, 40)[..., 0], r"expected shape \(height, width, 3\), got \(40, 40\)"),
        (draw(40, 40) + np.float32(1), r"expected float32 values in \[0, 1\]"),
        (np.where(draw(40, 40) > 0.7, np.float32(np.nan), np.float32(0.5)), "nan"),
        (np.where(draw(40, 40) > 0.7, np.float32(np.inf), np.float32(0.5)), "inf"),
        (draw(31, 40), "expected sides of at least 32 pixels, got 40×31"),
        ([[0.5]], "expected a NumPy array, got list"),
    ],
)
def test_unusable_arrays_are_refused(image, message):
    with pytest.raises(ImageError, match=message):
        purify(image)


def test_strided_and_reversed_views_are_fine():
    image = draw(80, 80)
    np.testing.assert_array_equal(
        purify(image[::-2, ::2], EDGE, seed=1), purify(np.ascontiguousarray(image[::-2, ::2]), EDGE, seed=1)
    )


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ParameterError, match="expected a seed in"):
        purify(draw(40, 40), seed=seed)


def test_out_of_the_wrong_shape_is_refused():
    with pytest.raises(ImageError, match="expected out as float32"):
        Purifier().purify(draw(40, 40), 1, np.empty((40, 41, 3), np.float32))


def test_threads_out_of_range_are_refused():
    with pytest.raises(ParameterError, match=r"expected threads in \[1, 64\], got 0"):
        Purifier(threads=0)
