"""What reading shards costs a step of training.

    python -m benchmarks.loading SHARDS --network hybrid

On this machine, in one run, taking turns: *reading* is all crops of a batch out of the shards' pages and
nothing else; *batch* is what training takes: the crops that chance calls for, and what `dataset` makes of
them (means of renders, augmentation, guides); *step* is an update of the network. Nothing works ahead here
that would hide a wait. Pages are in memory, or *on disk*: the system has just been told to forget them all.
*Touched only* is what a disk takes without `StoredPlane.prefetch`.
"""

import argparse
import mmap
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mcdenoise import dataset, losses, shards, trainer
from mcdenoise.errors import McdenoiseError
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View


@dataclass(frozen=True)
class Work:
    """What is timed, given the number of the turn; `on_disk`: with no page in memory."""

    run: Callable[[int], object]
    on_disk: bool = False


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.loading", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="SHARDS")
    parser.add_argument("--network", default="hybrid", metavar="NAME")
    parser.add_argument("--crop", type=int, default=96, metavar="N")
    parser.add_argument("--steps", type=int, default=20, metavar="N")
    arguments = parser.parse_args()
    settings = TrainSettings(
        network=arguments.network, crop=arguments.crop, steps=arguments.steps, device="cpu"
    )
    try:
        views, _ = dataset.load(arguments.folder)
        seconds = measure(views, settings, arguments.folder)
    except McdenoiseError as error:
        print(f"benchmarks.loading: {error}", file=sys.stderr)
        return error.exit_code
    print(as_markdown(seconds, settings))
    return 0


def measure(views: Sequence[View], settings: TrainSettings, folder: Path) -> dict[str, list[float]]:
    """Seconds of each kind of work, turn by turn, after a round to warm up."""
    works = _works(views, settings)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(settings.steps + 1):
        for name, work in works.items():
            if work.on_disk:
                _forget(views, folder)
            begin = time.perf_counter()
            work.run(turn)
            if turn:
                taken[name].append(time.perf_counter() - begin)
    return taken


def as_markdown(seconds: dict[str, list[float]], settings: TrainSettings) -> str:
    """Medians, spreads, and shares of a step."""
    step = statistics.median(seconds["step"])
    rows = [f"{settings.batch} crops of {settings.crop}x{settings.crop}, network {settings.network}\n",
            "| work | median ms | least .. most ms | of a step |", "|---|---|---|---|"]  # fmt: skip
    for name, taken in seconds.items():
        median = statistics.median(taken)
        spread = f"{1000 * min(taken):.1f} .. {1000 * max(taken):.1f}"
        rows.append(f"| {name} | {1000 * median:.1f} | {spread} | {median / step:.3f} |")
    return "\n".join(rows)


def _works(views: Sequence[View], settings: TrainSettings) -> dict[str, Work]:
    """Each row of the table; what is read in memory was read from disk right before."""
    device = torch.device("cpu")
    state = trainer.start(settings, Path("no such state"), device)
    loss = losses.find(settings.loss, is_target_noisy=True)
    objective = trainer.weighted(loss, settings)
    batches = dataset.Batches(views, dataset.Cut(settings.crop, settings.batch, settings.seed))
    one = batches[0]
    return {
        "reading, on disk, touched only": Work(lambda turn: _read(views, settings, turn), on_disk=True),
        "reading, on disk": Work(lambda turn: _read(views, settings, turn, ahead=True), on_disk=True),
        "reading, in memory": Work(lambda turn: _read(views, settings, turn, ahead=True)),
        "batch, on disk": Work(lambda turn: batches[turn], on_disk=True),
        "batch, in memory": Work(lambda turn: batches[turn]),
        "step": Work(lambda _: trainer.update(state, one, objective, settings, device)),
    }


def _forget(views: Sequence[View], folder: Path) -> None:
    """Make the system drop all pages of the shards: ours first, since those in use stay."""
    planes = (plane for view in views for render in view.renders for plane in render.values())
    for pages in {plane.pages for plane in planes if isinstance(plane, shards.StoredPlane)}:
        pages.bytes.madvise(mmap.MADV_DONTNEED)
    for path in folder.rglob(f"*{shards.SUFFIX}"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(views: Sequence[View], settings: TrainSettings, turn: int, *, ahead: bool = False) -> None:
    """A crop of each plane of each render of as many views as a batch has: more than most batches read."""
    chance = np.random.default_rng([settings.seed, turn])
    for index in chance.integers(len(views), size=settings.batch):
        view = views[index]
        y, x = (int(chance.integers(side - settings.crop + 1)) for side in view.size)
        rows, columns = slice(y, y + settings.crop), slice(x, x + settings.crop)
        planes = [plane for render in view.renders for plane in render.values()]
        for plane in planes if ahead else ():
            if isinstance(plane, shards.StoredPlane):
                plane.prefetch(rows)
        for plane in planes:
            np.array(plane[rows, columns])


if __name__ == "__main__":
    sys.exit(main())
