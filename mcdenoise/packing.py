"""Pairs in, shards out: which views go where, what is there already, and what is left out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from mcdenoise import shards, views
from mcdenoise.errors import McdenoiseError, TrainingError, UsageError
from mcdenoise.views import Files, View

log = logging.getLogger(__name__)

# Told (done, total) after each view or shard.
Progress = Callable[[int, int], None]


@dataclass
class Tally:
    """How the views asked for ended; `left_out` holds the faults of each bad one."""

    sound: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)
    shards_written: int = 0
    shards_there: int = 0

    def count(self, sound: Sequence[Any], left_out: dict[str, list[str]]) -> None:
        """Add views that ended one way or the other."""
        self.sound += len(sound)
        self.left_out |= left_out


@dataclass(frozen=True)
class Plan:
    """A shard to be, and the views that go into it."""

    path: Path
    files: tuple[Files, ...]

    @property
    def sources(self) -> dict[str, list[list[int]]]:
        """Size and time of each file, by the view's name: they change when a view is rendered again."""
        stats = {one.name: [path.stat() for path in one.paths if path.exists()] for one in self.files}
        return {name: [[stat.st_size, stat.st_mtime_ns] for stat in of] for name, of in stats.items()}


def check(folders: Sequence[Path], *, progress: Progress) -> Tally:
    """Read every view and say what is wrong with which; writes nothing.

    Raises:
        TrainingError: there is no such folder, or no view in it.
    """
    found, tally = views.find(*folders), Tally()
    for done, (view, left_out) in enumerate(_read_all(found), 1):
        tally.count([view] if view else [], left_out)
        progress(done, len(found))
    return tally


def pack(folders: Sequence[Path], out: Path, *, progress: Progress) -> Tally:
    """Pack the sound views into shards below `out`; shards that are there and up to date stay.

    Raises:
        TrainingError: there is no sound view, or a shard can't be written.
        UsageError: `out` holds shards of other folders.
    """
    found, tally, done = views.find(*folders), Tally(), 0
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: can't be made: {error.strerror}; choose another -o") from error
    source = [str(folder.resolve()) for folder in folders]
    for plan in _plans(found, out):
        about = _already(plan, source)
        if about:
            tally.shards_there += 1
            tally.count(about["views"], about["left_out"])
        else:
            _pack_one(plan, source, tally)
        done += len(plan.files)
        progress(done, len(found))
    if not tally.sound:
        name, faults = next(iter(tally.left_out.items()))
        raise TrainingError(f"{out}: no sound pair; {name}: {'; '.join(faults)}")
    return tally


def _pack_one(plan: Plan, source: list[str], tally: Tally) -> None:
    sources = plan.sources
    sound: list[View] = []
    left_out: dict[str, list[str]] = {}
    for view, faults in _read_all(plan.files):
        sound += [view] if view else []
        left_out |= faults
    shards.write(plan.path, sound, {"source": source, "sources": sources, "left_out": left_out})
    tally.shards_written += 1
    tally.count(sound, left_out)


def _plans(found: Sequence[Files], out: Path) -> Iterator[Plan]:
    """The shards: by the first part of the views' names, so that new scenes change no shard that is there."""
    for group, members in groupby(found, key=lambda one: _scene_of(one.name)):
        files = list(members)
        for number, start in enumerate(range(0, len(files), shards.VIEWS)):
            name = f"{group}.{number:03d}{shards.SUFFIX}"
            yield Plan(out / name, tuple(files[start : start + shards.VIEWS]))


def _scene_of(name: str) -> str:
    """`set--kitchen` of `set/kitchen.v001.4spp.box`."""
    path = Path(name)
    return (path.parent / path.name.split(".")[0]).as_posix().replace("/", "--")


def _already(plan: Plan, source: list[str]) -> dict[str, Any] | None:
    """The header of the shard if it is there and made of these very files; a damaged one is made again.

    Raises:
        UsageError: the shard holds the pairs of another folder.
    """
    if not plan.path.exists():
        return None
    try:
        about = shards.header(plan.path)
    except TrainingError as error:
        log.warning("packed again: %s", error)
        return None
    if about.get("source") != source:
        others = " and ".join(about.get("source", ["another folder"]))
        raise UsageError(f"{plan.path}: holds pairs of {others}; choose another -o")
    return about if about.get("sources") == plan.sources else None


def _read_all(found: Sequence[Files]) -> Iterator[tuple[View | None, dict[str, list[str]]]]:
    """Each view, or what is wrong with it by its name, in order."""

    def read(one: Files) -> tuple[View | None, dict[str, list[str]]]:
        try:
            view, faults = views.read(one)
        except McdenoiseError as error:
            return None, {one.name: [str(error)]}
        return (None, {one.name: faults}) if faults else (view, {})

    with ThreadPoolExecutor() as pool:
        yield from pool.map(read, found)
