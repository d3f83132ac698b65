"""What reading shards costs a step of training.

    python -m benchmarks.loading SHARDS --network hybrid

On this machine, in one run, taking turns: *reading* is all crops of a batch out of the shards' pages and
nothing else; *batch* adds what `dataset` makes of them (means of renders, augmentation, guides), as the
thread does that works ahead of training; *step* is an update of the network.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from mcdenoise import dataset, losses, trainer
from mcdenoise.errors import McdenoiseError
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View


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
        seconds = measure(views, settings)
    except McdenoiseError as error:
        print(f"benchmarks.loading: {error}", file=sys.stderr)
        return error.exit_code
    print(as_markdown(seconds, settings))
    return 0


def measure(views: Sequence[View], settings: TrainSettings) -> dict[str, list[float]]:
    """Seconds of each kind of work, turn by turn, after a round to warm up."""
    device, chance = torch.device("cpu"), np.random.default_rng(settings.seed)
    state = trainer.start(settings, Path("no such state"), device)
    loss = losses.find(settings.loss, is_target_noisy=True)
    batches = dataset.batches(views, dataset.Cut(settings.crop, settings.batch, settings.seed))
    one = next(batches)
    works: dict[str, Callable[[], object]] = {
        "reading": lambda: _read(views, settings, chance),
        "batch": lambda: next(batches),
        "step": lambda: trainer.update(state, one, loss, settings, device),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(settings.steps + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
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


def _read(views: Sequence[View], settings: TrainSettings, chance: np.random.Generator) -> None:
    """A crop of each plane of each render of as many views as a batch has: more than most batches read."""
    for index in chance.integers(len(views), size=settings.batch):
        view = views[index]
        y, x = (int(chance.integers(side - settings.crop + 1)) for side in view.size)
        for render in view.renders:
            for plane in render.values():
                np.array(plane[y : y + settings.crop, x : x + settings.crop])


if __name__ == "__main__":
    sys.exit(main())
