"""Parameters refuse what the method cannot do, and the defaults are those that MDDA.md restores."""

from __future__ import annotations

import dataclasses

import pytest

from edge_mdda import PAPER_LARGE, PAPER_SMALL, Parameters
from edge_mdda.errors import ParameterError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": -0.1}, "expected sigma in"),
        ({"sigma": float("nan")}, "expected sigma in"),
        ({"weight": float("inf")}, "expected weight in"),
        ({"blocks": -1}, "expected blocks as whole number"),
        ({"blocks": 2.0}, "expected blocks as whole number"),
        ({"iterations": True}, "expected iterations as whole number"),
        ({"scales": ()}, "expected consecutive ascending scales"),
        ({"scales": (-2, 0, 1)}, "expected consecutive ascending scales"),
        ({"scales": (1, 2)}, "with 0 among them"),
        ({"scales": (-1, 0, 1, 2, 3)}, "expected scales in -4…2"),
        ({"solver": "newton"}, "expected solver out of chambolle-pock, split-bregman, got 'newton'"),
        ({"total_variation": "huber"}, "expected total_variation out of"),
        ({"channels": "grey"}, "expected channels out of"),
        ({"sigma_meaning": "range"}, "expected sigma_meaning out of"),
        ({"scales": (0,), "own_scale": False}, "expected own_scale with a single scale"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        Parameters(**changes)


def test_parameters_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Parameters().sigma = 0.5


def test_the_papers_settings_are_the_papers():
    assert (PAPER_SMALL.sigma, PAPER_SMALL.blocks) == (0.125, 5)
    assert (PAPER_LARGE.sigma, PAPER_LARGE.blocks) == (0.125, 3)
    assert PAPER_SMALL.scales == PAPER_LARGE.scales == (-2, -1, 0, 1)


def test_the_assumptions_are_options_with_the_documented_defaults():
    defaults = Parameters()
    assert defaults.own_scale
    assert defaults.channels == "apart"
    assert defaults.sigma_meaning == "standard-deviation"
    assert Parameters(sigma=0.25, sigma_meaning="variance").standard_deviation == 0.5
