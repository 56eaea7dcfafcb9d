"""What was crafted and answered, kept for each image so that a run stops, goes on and grows.

An example or an answer is found by a key, a hash of everything it depends on – weights, attack, library, settings,
defence – and the image's own hash. Adversarial images are PNG files; the rest is one SQLite file. One process writes,
the one that started the run; an image's example and answers enter in one transaction, so what was killed is either all
there or not at all, and nothing can be there twice.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image as gate
from tools import atomic

SCHEMA = 1
DATABASE = "results.sqlite"

_TABLES = """
create table if not exists settings (key text primary key, content text not null) without rowid;
create table if not exists images (image text primary key, split text not null, label integer not null) without rowid;
create table if not exists examples (
    key text not null, image text not null, facts text not null, primary key (key, image)) without rowid;
create table if not exists answers (
    example text not null, key text not null, image text not null, logits blob not null, seconds real not null,
    primary key (example, key, image)) without rowid;
create table if not exists runs (command text not null, machine text not null, seconds real not null, jobs integer);
"""


@dataclass(frozen=True)
class Answer:
    """A victim's logits behind a defence, (classes,) float32, and the seconds of the defence."""

    key: str
    logits: NDArray[np.float32]
    seconds: float


def digest_pixels(pixels: NDArray[np.uint8]) -> str:
    """The name of an image in the store: of its pixels alone."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:24]


def key_of(settings: Mapping[str, Any]) -> str:
    """The key of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:24]


class Store:
    """A folder of results; a class because it holds the database open.

    Raises:
        ValueError: the folder holds results of another version of this program.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(folder / DATABASE, timeout=60)
        found = self.database.execute("pragma user_version").fetchone()[0]
        if found not in (0, SCHEMA):
            raise ValueError(f"expected results of version {SCHEMA} in {folder}, got {found}")
        if found == 0:
            with self.database:
                self.database.executescript(_TABLES)
                self.database.execute(f"pragma user_version = {SCHEMA}")

    def close(self) -> None:
        self.database.close()

    def describe(self, meanings: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep what keys mean: their settings, and the names that reports give them, which do not count in the key."""
        rows = [(key, json.dumps(meaning, sort_keys=True)) for key, meaning in meanings]
        with self.database:
            self.database.executemany("insert or replace into settings values (?, ?)", rows)

    def add_images(self, rows: Iterable[tuple[str, str, int]]) -> None:
        """Images by digest, split and class index."""
        with self.database:
            self.database.executemany("insert or ignore into images values (?, ?, ?)", rows)

    def add_run(self, command: str, machine: str, seconds: float, jobs: int) -> None:
        """How long a run lasted and how many jobs it did, for a report."""
        with self.database:
            self.database.execute("insert into runs values (?, ?, ?, ?)", (command, machine, seconds, jobs))

    def take(self, database: Path) -> int:
        """Take in the rows of another store's database; returns how many answers were not here."""
        self.database.execute("attach database ? as other", (str(database),))
        with self.database:
            before = self.database.total_changes
            self.database.execute("insert or ignore into answers select * from other.answers")
            new = self.database.total_changes - before
            for table in ("settings", "images", "examples"):
                self.database.execute(f"insert or ignore into {table} select * from other.{table}")
            self.database.execute("insert into runs select * from other.runs except select * from runs")
        self.database.execute("detach database other")
        return new

    def has_examples(self, key: str) -> set[str]:
        """Images of which there is an example."""
        return {row[0] for row in self.database.execute("select image from examples where key = ?", (key,))}

    def has_answers(self, example: str) -> set[tuple[str, str]]:
        """(key, image) of the answers to an example."""
        return set(self.database.execute("select key, image from answers where example = ?", (example,)))

    def png(self, key: str, image: str) -> Path:
        return self.folder / "examples" / key / f"{image}.png"

    def read_example(self, key: str, image: str) -> NDArray[np.uint8]:
        """The adversarial pixels as they were saved, uint8 (H, W, 3)."""
        return gate.decode(self.png(key, image).read_bytes())

    def add(
        self,
        example: str,
        image: str,
        facts: Mapping[str, Any] | None,
        encoded: bytes | None,
        answers: Iterable[Answer],
    ) -> None:
        """Keep what a job made: the picture first, then its row and the answers together.

        Args:
            facts: of a new example; None where it was there before.
            encoded: its PNG; None for an image that is not kept, the clean one.
        """
        if encoded is not None:
            atomic.write(self.png(example, image), encoded)
        with self.database:
            if facts is not None:
                row = (example, image, json.dumps(facts))
                self.database.execute("insert or ignore into examples values (?, ?, ?)", row)
            self.database.executemany(
                "insert or ignore into answers values (?, ?, ?, ?, ?)",
                [
                    (example, answer.key, image, answer.logits.astype("<f4").tobytes(), answer.seconds)
                    for answer in answers
                ],
            )
