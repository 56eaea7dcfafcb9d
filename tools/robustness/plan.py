"""What a run is to do: which examples are crafted of which image, which questions are asked about each, what is left.

An attack on a network alone is shown to every victim and defence; one that knows a defence, or sends its queries
through it, to that defence alone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools import dataset
from tools.robustness import corruptions, defences, universal
from tools.robustness.attacks import ATTACKS, KNOWS
from tools.robustness.libraries import Settings
from tools.robustness.store import Store, digest_pixels, key_of
from tools.robustness.victims import Victim

CLEAN, UNIVERSAL = "clean", "universal"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A labelled image: its name in the store, its pixels, uint8 (H, W, 3), and its class index."""

    digest: str
    pixels: Pixels
    label: int


@dataclass(frozen=True)
class Craft:
    """One way to make an example of an image.

    Attributes:
        attack: `CLEAN`, `UNIVERSAL`, or a name of `attacks.ATTACKS` or `corruptions.CORRUPTIONS`.
        settings: how strongly.
        source: whose gradients it uses, or whose answers it sees; None where it needs no model.
        defence: the name of the defence it knows or sends its queries through.
    """

    attack: str
    settings: Settings
    source: Victim | None = None
    defence: str | None = None

    @property
    def content(self) -> dict[str, Any]:
        """Everything an example depends on beside the image."""
        content: dict[str, Any] = {
            "attack": self.attack,
            "strength": self.settings.strength,
            "steps": self.settings.steps,
            "looks": self.settings.looks,
            "source": self.source and self.source.digest,
            "defence": self.defence and dict(defences.read(self.defence).settings),
        }
        if attack := ATTACKS.get(self.attack):
            content["library"] = attack.version
            if attack.revision:
                content["revision"] = attack.revision
        return content

    @functools.cached_property
    def key(self) -> str:
        return key_of(self.content)

    @property
    def names(self) -> dict[str, Any]:
        """What a report calls it."""
        kind, knows, unit = "none", "nobody attacks", ""
        if self.attack in ATTACKS:
            attack = ATTACKS[self.attack]
            kind, knows, unit = attack.view, attack.knows, attack.unit
        elif self.attack == UNIVERSAL:
            kind, knows, unit = "network", KNOWS["network"] + "; one perturbation for all images", "1/255"
        elif self.attack in corruptions.CORRUPTIONS:
            kind, knows, unit = "corruption", "nobody attacks", "severity"
        return {
            "source_name": self.source and self.source.name,
            "defence_name": self.defence,
            "view": kind,
            "knows": knows,
            "unit": unit,
        }


@dataclass(frozen=True)
class Question:
    """A victim behind a defence, asked about an example with noise of its own for each repetition."""

    victim: Victim
    defence: str
    repetition: int

    @property
    def content(self) -> dict[str, Any]:
        defence = defences.read(self.defence)
        content = {"victim": self.victim.digest, "defence": dict(defence.settings), "repetition": self.repetition}
        return content | ({"alarm": defence.alarm(self.victim)} if defence.auto else {})

    @functools.cached_property
    def key(self) -> str:
        return key_of(self.content)

    @property
    def names(self) -> dict[str, Any]:
        return {"victim_name": self.victim.name, "defence_name": self.defence}


@dataclass(frozen=True)
class Job:
    """One image under one attack: to craft the example, unless it is given, and to ask the questions about it."""

    craft: Craft
    picture: Picture
    example: Pixels | None
    questions: tuple[Question, ...]
    perturbation: NDArray[np.int16] | None = None


def seed_of(*parts: object) -> int:
    """A seed in [0, 2^63) that depends on nothing but its parts: the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


def pictures(data: Path, split: str, limit: int | None, side: int) -> list[Picture]:
    """A split's images in a fixed random order, or the first of them: a longer run contains every shorter one."""
    samples = dataset.select(dataset.read(data), split)
    order = np.random.default_rng(0).permutation(len(samples))[:limit]
    pixels, labels = dataset.load([samples[position] for position in order], side)
    return [Picture(digest_pixels(each), each, int(label)) for each, label in zip(pixels, labels, strict=True)]


def expand(text: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Names joined by commas, with the names of groups replaced by what is in them, each once."""
    found = (each for name in text.split(",") for each in groups.get(name, (name,)))
    return list(dict.fromkeys(filter(None, found)))


def crafts(
    names: Sequence[str],
    victims: Sequence[Victim],
    sources: Sequence[Victim],
    known: Sequence[str],
    radii: Sequence[int],
) -> list[Craft]:
    """What is to be crafted for attacks by name; `name:steps=200:looks=40:strength=4` changes settings.

    Args:
        victims: who is asked, to be queried by attacks that see answers alone.
        sources: the float networks that gradients are taken of.
        known: the defences that are evaluated, to be known or queried through.
        radii: of the L∞ ball in 1/255.

    Raises:
        ValueError: no such attack or setting.
    """
    found: list[Craft] = []
    for name in names:
        base, _, changes = name.partition(":")
        if base == CLEAN:
            found.append(Craft(CLEAN, Settings(None, 1)))
        elif base in corruptions.CORRUPTIONS:
            found += [Craft(base, Settings(severity, 1)) for severity in corruptions.SEVERITIES]
        elif base == UNIVERSAL:
            settings = [_changed(Settings(radius, universal.STEPS), changes) for radius in radii]
            found += [Craft(base, each, source) for source in sources for each in dict.fromkeys(settings)]
        elif base in ATTACKS:
            found += _library(base, changes, victims, sources, known, radii)
        else:
            everything = (CLEAN, *ATTACKS, UNIVERSAL, *corruptions.CORRUPTIONS)
            raise ValueError(f"expected an attack out of {', '.join(everything)}, got {name!r}")
    return list(dict.fromkeys(found))


def _library(
    name: str,
    changes: str,
    victims: Sequence[Victim],
    sources: Sequence[Victim],
    known: Sequence[str],
    radii: Sequence[int],
) -> list[Craft]:
    attack = ATTACKS[name]
    strengths = tuple(radii) if attack.in_ball else attack.strengths
    settings = dict.fromkeys(_changed(Settings(each, attack.steps, attack.looks), changes) for each in strengths)
    if attack.view == "network":
        return [Craft(name, each, source) for source in sources for each in settings]
    if attack.view in ("scores", "labels"):
        pairs = [(victim, defence) for victim in victims for defence in known if defences.read(defence).serves(victim)]
    else:
        auto = attack.view == "alarm"
        pairs = [(source, defence) for source in sources for defence in known if _mdda(defence, auto)]
    return [Craft(name, each, source, defence) for source, defence in pairs for each in settings]


def _mdda(name: str, auto: bool) -> bool:
    """Whether a defence is MDDA, which the aware attackers know: with an alarm, or one that always purifies."""
    defence = defences.read(name)
    return defence.parameters is not None and defence.auto == auto and not defence.settings["apart"]


def _changed(settings: Settings, changes: str) -> Settings:
    for change in filter(None, changes.split(":")):
        name, _, value = change.partition("=")
        if name not in ("strength", "steps", "looks") or not value.isdecimal():
            raise ValueError(f"expected strength=, steps= or looks= and a whole number, got {change!r}")
        settings = replace(settings, **{name: int(value)})
    return settings


def questions(craft: Craft, victims: Sequence[Victim], known: Sequence[str], repetitions: int) -> list[Question]:
    """Who is asked about an example."""
    asked = []
    for victim in victims:
        for name in known:
            defence = defences.read(name)
            if not defence.serves(victim):
                continue
            if craft.defence is not None and name not in (craft.defence, f"{craft.defence}{defences.AUTO}"):
                continue
            if craft.names["view"] in ("scores", "labels") and (victim != craft.source or name != craft.defence):
                continue
            # Of one who knows the seed, the known one alone.
            several = defence.random and craft.names["view"] != "seed"
            asked += [Question(victim, name, each) for each in range(repetitions if several else 1)]
    return asked


def missing(
    store: Store,
    pictures: Sequence[Picture],
    crafts: Sequence[Craft],
    victims: Sequence[Victim],
    known: Sequence[str],
    repetitions: int = 1,
) -> Iterator[tuple[Craft, Picture, bool, tuple[Question, ...]]]:
    """What the store lacks, attack by attack: whether the example is there, and the questions that are open."""
    for craft in crafts:
        asked = questions(craft, victims, known, repetitions)
        crafted, answered = store.has_examples(craft.key), store.has_answers(craft.key)
        for picture in pictures:
            left = tuple(each for each in asked if (each.key, picture.digest) not in answered)
            there = picture.digest in crafted
            if left or not there:
                yield craft, picture, there, left


def jobs(store: Store, lacking: Iterable[tuple[Craft, Picture, bool, tuple[Question, ...]]]) -> Iterator[Job]:
    """What is `missing` as jobs, with all that a worker elsewhere needs.

    An example whose picture is not here, because its row came from another store, is made again.
    """
    for craft, picture, there, left in lacking:
        if craft.attack == CLEAN:
            yield Job(craft, picture, picture.pixels, left)
        elif there and store.png(craft.key, picture.digest).is_file():
            yield Job(craft, picture, store.read_example(craft.key, picture.digest), left)
        else:
            kept = universal.read(store.folder, craft.key) if craft.attack == UNIVERSAL else None
            yield Job(craft, picture, None, left, kept)


def meanings(
    crafts: Sequence[Craft], victims: Sequence[Victim], known: Sequence[str], repetitions: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the keys of a run mean, for `Store.describe`."""
    for craft in crafts:
        yield craft.key, {**craft.content, **craft.names}
        for question in questions(craft, victims, known, repetitions):
            yield question.key, {**question.content, **question.names}
