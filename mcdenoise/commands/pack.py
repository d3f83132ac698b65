"""`mcdenoise pack`: checks pairs, and packs the sound ones into shards that training reads as they lie."""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mcdenoise import shards, views
from mcdenoise.commands._terminal import complain, say
from mcdenoise.errors import McdenoiseError, TrainingError, UsageError
from mcdenoise.views import Files, View

HELP = "check pairs of noisy frames, and pack the sound ones into shards to train on"
EXAMPLES = """examples:
  mcdenoise pack pairs/ -o shards/              NAME.a.exr and NAME.b.exr
  mcdenoise pack take1/ take2/ -o shards/       the same names in two folders
  mcdenoise pack pairs/ --check                 only says what is wrong
  mcdenoise train shards/ -o show.safetensors
Run it again to go on where it was stopped, or after rendering more: only what is new is packed."""


@dataclass
class Tally:
    """How the views asked for ended."""

    sound: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)
    shards_written: int = 0
    shards_there: int = 0


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `pack`."""
    parser.add_argument("pairs", nargs="+", type=Path, metavar="PAIRS/",
                        help="folder of pairs, or two folders with a render of each view")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="SHARDS/", help="folder for the shards")
    parser.add_argument("--check", action="store_true", help="only check; exit code 1 if a pair is bad")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Check all pairs and pack the sound ones; a bad one is named, counted and left out."""
    if len(arguments.pairs) > 2:
        raise UsageError("pack: give one folder of pairs, or two folders with a render of each view")
    if (arguments.output is None) != arguments.check:
        raise UsageError("pack: give -o SHARDS/ to pack, or --check to check only")
    found = views.find(*arguments.pairs)
    tally = Tally()
    with tqdm(total=len(found), unit="pair", disable=arguments.quiet or None) as bar:
        if arguments.check:
            for view, left_out in _read_all(found):
                _count(tally, [view] if view else [], left_out)
                bar.update()
        else:
            _pack(found, arguments, tally, bar)
    for name, faults in tally.left_out.items():
        complain(f"left out: {name}: {'; '.join(faults)}")
    _summary(arguments, tally)
    return int(bool(tally.left_out)) if arguments.check else 0


def _pack(found: Sequence[Files], arguments: argparse.Namespace, tally: Tally, bar: "tqdm[Any]") -> None:
    out: Path = arguments.output
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: can't be made: {error.strerror}; choose another -o") from error
    source = [str(folder.resolve()) for folder in arguments.pairs]
    for plan in _plans(found, out):
        about = _already(plan, source)
        if about:
            tally.shards_there += 1
            _count(tally, about["views"], about["left_out"])
        else:
            _pack_one(plan, source, tally)
        bar.update(len(plan.files))
    if not tally.sound:
        name, faults = next(iter(tally.left_out.items()))
        raise TrainingError(f"{out}: no sound pair; {name}: {'; '.join(faults)}")


def _pack_one(plan: Plan, source: list[str], tally: Tally) -> None:
    sources = plan.sources
    sound: list[View] = []
    left_out: dict[str, list[str]] = {}
    for view, faults in _read_all(plan.files):
        sound += [view] if view else []
        left_out |= faults
    shards.write(plan.path, sound, {"source": source, "sources": sources, "left_out": left_out})
    tally.shards_written += 1
    _count(tally, sound, left_out)


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
        complain(f"packed again: {error}")
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


def _count(tally: Tally, sound: Sequence[Any], left_out: dict[str, list[str]]) -> None:
    tally.sound += len(sound)
    tally.left_out |= left_out


def _summary(arguments: argparse.Namespace, tally: Tally) -> None:
    where = arguments.pairs[0] if arguments.check else arguments.output
    packed = "" if arguments.check else (f"; {tally.shards_written} shards written, "
                                         f"{tally.shards_there} were there")  # fmt: skip
    say(f"{where}: {tally.sound} sound pairs, {len(tally.left_out)} left out{packed}")
