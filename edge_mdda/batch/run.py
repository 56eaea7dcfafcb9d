"""The run: every image of a folder that is not done yet, assessed and kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_mdda import sources
from edge_mdda.assessor import Settings
from edge_mdda.batch import cluster, work
from edge_mdda.batch.pictures import Picture
from edge_mdda.batch.target import PURIFIED, Stamp, Target
from edge_mdda.errors import EdgeMddaError, ImageError, ModelError
from edge_mdda.limits import MAX_BYTES

if TYPE_CHECKING:
    from distributed import Client

#: Of a file's name, in bytes: file systems take 255, and the purified image's ending comes on top.
MAX_NAME = 255 - len(".png")


class Run:
    """Images on their way into a target; a class because jobs that are out have to be remembered.

    Args:
        pictures: what is to be done.
        target: where it is kept.
        settings: how images are assessed.
        identity: see `edge_mdda.batch.work.identity`, of this process.
        seed: of the run.
        images: whether purified images are kept.
        say: called with what a person should know of an image.
        advance: called with the number of images that are done, failed ones with them.
    """

    def __init__(
        self,
        pictures: list[Picture],
        target: Target,
        settings: Settings,
        identity: dict[str, object],
        *,
        seed: int,
        images: bool,
        say: Callable[[str], None],
        advance: Callable[[int], None],
    ) -> None:
        self._pictures = pictures
        self._target = target
        self._settings = settings
        self._identity = json.dumps(identity, sort_keys=True)
        self._seed = seed
        self._images = images
        self._say = say
        self._advance = advance
        self._done = 0
        self._stamps: dict[str, Stamp] = {}

    def do(self, client: Client | None) -> None:
        """Do all of it, here or on a cluster.

        Raises:
            EdgeMddaError: what stops all images: the model, the runtime, a full disk, a cluster that cannot do it.
        """
        try:
            for outcome in cluster.spread(work.assess, self._jobs(client is not None), client, work.lost):
                self._keep(outcome)
        except EdgeMddaError:
            raise
        except Exception as error:
            if client is None:
                raise
            # A worker without this package, a scheduler that is gone: whatever Dask makes of it.
            told = f"{type(error).__name__}: {error}"
            raise ModelError(f"expected workers that can do what this process does, got {told}") from error

    def _jobs(self, on_cluster: bool) -> Iterator[work.Job]:
        # A process of many has one core to itself.
        threads = self._settings.threads or (1 if on_cluster else None)
        settings = replace(self._settings, threads=threads)
        for picture in self._pictures:
            try:
                stamp = _stamp(picture)
                if self._target.is_done(picture.name, stamp=stamp):
                    self._step()
                    continue
                content = sources.read(str(picture.path), MAX_BYTES)
            except ImageError as error:
                self._fail(picture.name, None, (type(error).__name__, str(error)))
                continue
            sha256 = hashlib.sha256(content).hexdigest()
            if self._target.is_done(picture.name, sha256=sha256):
                self._target.touch(picture.name, stamp)
                self._step()
                continue
            self._stamps[picture.name] = stamp
            seed = work.seed_of(sha256, self._seed)
            yield work.Job(picture.name, content, sha256, seed, settings, self._identity)

    def _keep(self, outcome: work.Outcome) -> None:
        stamp = self._stamps.pop(outcome.name)
        for warning in outcome.warnings:
            self._say(f"{outcome.name}: warning: {warning}")
        if outcome.report is None:
            self._fail(outcome.name, outcome.sha256, outcome.error or ("", ""))
            return
        purified = outcome.purified if self._images else None
        self._target.keep(outcome.name, outcome.sha256, stamp, outcome.report, purified)
        self._step()

    def _fail(self, name: str, sha256: str | None, error: tuple[str, str]) -> None:
        self._say(f"{name}: {error[1]}")
        self._target.fail(name, sha256, error)
        self._step()

    def _step(self) -> None:
        self._done += 1
        self._advance(self._done)


def _stamp(picture: Picture) -> Stamp:
    """Size and times of an image's file.

    Raises:
        ImageError: there is none, or its name is too long for its purified image to have one.
    """
    length = len(os.fsencode(picture.path.name))
    if length > MAX_NAME:
        raise ImageError(f"expected a name of at most {MAX_NAME} bytes, got {length}: no room for one in {PURIFIED}")
    try:
        status = picture.path.stat()
    except OSError as error:
        raise ImageError(f"expected a readable image file, got: {error.strerror}") from None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
