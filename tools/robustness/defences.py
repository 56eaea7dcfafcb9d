"""The defences by name, with one interface: a uint8 image and a seed in, the image a classifier is to see out.

Bit depth, JPEG, median and total variance minimisation are the adversarial-robustness-toolbox's (ART); wavelets are
scikit-image's; the networks are those of `tools.robustness.networks`. MDDA is named by its preset, with any parameter
of `edge_mdda.Parameters` changed after a colon: `edge`, `paper-small:sigma=0.1:blocks=3`, `edge:scales=0`. The preset
followed by `-auto` purifies only where the attack alarm rings, as the device does by default.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import Parameters, Purifier, doubt, reference
from edge_mdda.coefficients import level_size
from edge_mdda.parameters import PRESETS
from tools import dataset, metrics
from tools.robustness import networks
from tools.robustness.victims import Victim

Unit = NDArray[np.float32]
Apply = Callable[[NDArray[np.uint8], int], Unit]

#: Xu, Evans, Qi, "Feature Squeezing", NDSS 2018, whose table 1 has 1 to 5 bits and windows of 2 and 3; of JPEG
#: Guo, Rana, Cisse, van der Maaten, "Countering Adversarial Images using Input Transformations", ICLR 2018.
BITS, WINDOW, QUALITY = 3, 3, 75
#: Mustafa et al., IEEE Transactions on Image Processing 29, 2020: standard deviation of the wavelet denoising.
WAVELET_SIGMA = 0.02
AUTO = "-auto"
#: The preset of MDDA that a device uses unless told otherwise.
DEFAULT = "edge"
APART = "apart"


@dataclass(frozen=True)
class Defence:
    """One defence.

    Attributes:
        name: what it is reported by: its preset with what differs from that, so that equal defences have one name.
        apply: the image purified, float32 (H, W, 3) in [0, 1].
        settings: every number of it, for the store's key.
        random: whether `apply` depends on the seed.
        parameters: of MDDA, None for another defence.
        auto: whether the attack alarm chooses between the image as it came and the purified one.
    """

    name: str
    apply: Apply
    settings: Mapping[str, Any]
    random: bool = False
    parameters: Parameters | None = None
    auto: bool = False

    def serves(self, victim: Victim) -> bool:
        """Whether it can be put before a victim: the alarm needs one whose bundle is calibrated for it."""
        return not self.auto or (victim.calibration is not None and victim.calibration.of(self.parameters) is not None)

    def answer(self, victim: Victim, pixels: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.float32], float]:
        """A victim's logits behind the defence, (classes,), and the seconds the defence took of them.

        Args:
            pixels: uint8 RGB (H, W, 3).
            seed: of the defence's noise, in [0, 2^63).
        """
        purified, seconds = self.purify(pixels, seed)
        return self.logits(victim, pixels, purified), seconds

    def purify(self, pixels: NDArray[np.uint8], seed: int) -> tuple[Unit, float]:
        """`apply`, and the seconds it took."""
        start = time.perf_counter()
        purified = self.apply(pixels, seed)
        return purified, time.perf_counter() - start

    def logits(self, victim: Victim, pixels: NDArray[np.uint8], purified: Unit) -> NDArray[np.float32]:
        """A victim's logits, (classes,), on an image of which both views are at hand."""
        behind = victim.logits(purified)
        if not self.auto:
            return behind
        alarm = self.alarm(victim)
        raw = victim.logits(pixels)
        verdicts = [
            dict(
                zip(dataset.CLASSES, metrics.probabilities(logits[None], alarm["temperature"])[0].tolist(), strict=True)
            )
            for logits in (raw, behind)
        ]
        return behind if doubt.divergence(*verdicts) > alarm["most_divergence"] else raw

    def alarm(self, victim: Victim) -> dict[str, float]:
        """What the alarm before a victim goes by: the temperature of its verdicts, and how far apart they may be.

        Raises:
            ValueError: its bundle is not calibrated for this purification.
        """
        of = None if victim.calibration is None else victim.calibration.of(self.parameters)
        if of is None:
            raise ValueError(f"expected a model calibrated for {self.name}, got {victim.path}")
        return {"temperature": victim.temperature, "most_divergence": of.most_divergence}


def to_unit(pixels: NDArray[np.uint8]) -> Unit:
    return pixels / np.float32(255)


@contextmanager
def numpy_seeded(seed: int) -> Any:
    """ART draws from NumPy's global numbers: seed them, and put them back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _art(name: str, **settings: Any) -> tuple[Apply, dict[str, Any]]:
    def apply(pixels: NDArray[np.uint8], seed: int) -> Unit:
        from art.defences import preprocessor  # takes seconds to import

        with numpy_seeded(seed):
            defended, _ = getattr(preprocessor, name)(clip_values=(0, 1), **settings)(to_unit(pixels)[None])
        return np.asarray(np.clip(defended[0], 0, 1), np.float32)

    return apply, {"art": name, **settings}


def _super_resolution() -> Defence:
    from skimage.restoration import denoise_wavelet

    enlarge, digest = networks.load_super_resolution()

    def apply(pixels: NDArray[np.uint8], seed: int) -> Unit:
        smooth = denoise_wavelet(
            to_unit(pixels), sigma=WAVELET_SIGMA, method="BayesShrink", channel_axis=2, rescale_sigma=True
        )
        # A classifier of fixed size sees the enlarged image squashed to it again, as the paper's victims do.
        return networks.halve(enlarge(np.clip(smooth, 0, 1).astype(np.float32)))

    return Defence("super-resolution", apply, {"wavelet": WAVELET_SIGMA, "weights": digest})


def _nrp() -> Defence:
    purify, digest = networks.load_purifier()
    return Defence("nrp", lambda pixels, seed: purify(to_unit(pixels)), {"weights": digest})


def mdda(parameters: Parameters) -> Apply:
    purifier = Purifier(parameters, threads=1)
    return lambda pixels, seed: purifier.purify(to_unit(pixels), seed)


def mdda_apart(parameters: Parameters) -> Apply:
    """MDDA whose scales never meet before the fusion: an ablation, so in the package's plain NumPy."""

    def apply(pixels: NDArray[np.uint8], seed: int) -> Unit:
        unit = to_unit(pixels)
        height, width, channels = unit.shape
        fused = []
        for channel in range(channels):
            levels = []
            for scale in parameters.scales:
                plane = reference.resize(unit[..., channel], level_size(height, scale), level_size(width, scale))
                for block in range(parameters.blocks):
                    noise = reference.gaussian(plane.shape, seed, block, scale, channel)
                    noisy = plane + np.float32(parameters.standard_deviation) * noise
                    plane = np.clip(reference.denoise([noisy], parameters)[0], 0, 1)
                levels.append(reference.resize(plane, height, width))
            fused.append(reference.mean(levels))
        return np.clip(np.stack(fused, axis=2), 0, 1)

    return apply


_PLAIN: Mapping[str, Callable[[], Defence]] = {
    "none": lambda: Defence("none", lambda pixels, seed: to_unit(pixels), {}),
    "bit-depth": lambda: Defence("bit-depth", *_art("FeatureSqueezing", bit_depth=BITS)),
    "jpeg": lambda: Defence("jpeg", *_art("JpegCompression", quality=QUALITY)),
    "median": lambda: Defence("median", *_art("SpatialSmoothing", window_size=WINDOW)),
    "tv-min": lambda: Defence("tv-min", *_art("TotalVarMin"), random=True),
    "super-resolution": _super_resolution,
    "nrp": _nrp,
}


def is_mdda(name: str) -> bool:
    """Whether a defence's name is MDDA's; unlike `read` it needs nobody's weights."""
    return name.partition(":")[0].removesuffix(AUTO) in PRESETS


@functools.cache
def read(name: str) -> Defence:
    """A defence by its name; each process makes it once.

    Raises:
        ValueError: no such defence, or a parameter it does not have.
        FileNotFoundError: the weights of its network are missing.
    """
    base, _, changes = name.partition(":")
    if base in _PLAIN:
        if changes:
            raise ValueError(f"expected no parameters for {base}, got {changes!r}")
        return _PLAIN[base]()
    auto = base.endswith(AUTO)
    preset = base.removesuffix(AUTO)
    if preset not in PRESETS:
        raise ValueError(f"expected a defence out of {', '.join(ALL)}, got {name!r}")
    parameters, apart = _changed(PRESETS[preset], changes)
    settings = {"mdda": asdict(parameters), "apart": apart, "auto": auto}
    apply = mdda_apart(parameters) if apart else mdda(parameters)
    return Defence(
        base + _differences(PRESETS[preset], parameters, apart), apply, settings, parameters.sigma > 0, parameters, auto
    )


def _differences(preset: Parameters, parameters: Parameters, apart: bool) -> str:
    """What `_changed` changes a preset by to these parameters, in the order of the fields."""
    values = {name: (asdict(preset)[name], value) for name, value in asdict(parameters).items()}
    changes = [f":{name}={_written(value)}" for name, (before, value) in values.items() if value != before]
    return "".join([*changes, f":{APART}" if apart else ""])


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _changed(parameters: Parameters, changes: str) -> tuple[Parameters, bool]:
    """Parameters with `name=value:…` applied, a list's values joined by +; and whether `apart` is among them."""
    kinds = {field.name: type(getattr(parameters, field.name)) for field in fields(parameters)}
    apart = False
    for change in filter(None, changes.split(":")):
        name, separator, value = change.partition("=")
        if change == APART:
            apart = True
            continue
        if name not in kinds or not separator:
            raise ValueError(f"expected name=value with a name out of {', '.join(kinds)}, got {change!r}")
        try:
            given: Any = tuple(map(int, value.split("+"))) if kinds[name] is tuple else kinds[name](value)
        except ValueError:
            raise ValueError(f"expected {name} as {kinds[name].__name__}, got {value!r}") from None
        parameters = replace(parameters, **{name: value == "True" if kinds[name] is bool else given})
    return parameters, apart


ALL = (*_PLAIN, *PRESETS, *(f"{name}{AUTO}" for name in PRESETS))
#: What the paper swept, and what it did not: the grids of the figures, to be run on `val`.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": ALL,
    "mdda": (*PRESETS, *(f"{name}{AUTO}" for name in PRESETS)),
    "sweep-sigma": tuple(
        f"{name}:sigma={sigma:g}" for name in PRESETS for sigma in (0.05, 0.075, 0.1, 0.125, 0.15, 0.175)
    ),
    "sweep-blocks": tuple(f"{name}:blocks={count}" for name in PRESETS for count in (1, 2, 3, 4, 5, 6, 7)),
    "sweep-weight": tuple(
        f"{name}:weight={weight:g}" for name in PRESETS for weight in (0.01, 0.02, 0.03, 0.045, 0.055, 0.07, 0.09, 0.12)
    ),
    "sweep-iterations": tuple(f"{name}:iterations={count}" for name in PRESETS for count in (1, 2, 3, 4, 6, 10, 20)),
    # Without pyramid, noise, total variation, aggregation.
    "ablation": tuple(
        f"{name}{change}" for name in PRESETS for change in ("", ":scales=0", ":sigma=0", ":weight=0", f":{APART}")
    ),
}
