"""How many steps of training fit into so many seconds here: printed, and nothing else.

python -m benchmarks.gpu.pace SHARDS --seconds 1440 --batch 64 --crop 128 --workers 4
"""

import argparse
import sys
import time
from pathlib import Path

from mcdenoise import dataset, engine, losses, trainer
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View

WARM, TIMED = 5, 20
# Checkpoints, validation and starting again take some of the time.
OF_TIME = 0.85


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu.pace", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("shards", type=Path)
    for name, usual in (("seconds", 60), ("batch", 8), ("crop", 96), ("workers", 0)):
        parser.add_argument(f"--{name}", type=int, default=usual, metavar="N")
    given = parser.parse_args()
    views, _ = dataset.load(given.shards)
    settings = TrainSettings(network="hybrid", steps=WARM + TIMED, batch=given.batch, crop=given.crop,
                             workers=given.workers)  # fmt: skip
    print(max(int(given.seconds * OF_TIME / seconds_per_step(views, settings)), 1))
    return 0


def seconds_per_step(views: list[View], settings: TrainSettings) -> float:
    """Of a step as training takes it, data included."""
    device = engine.choose_device(settings.device)
    state = trainer.start(settings, Path("no such state"), device)
    loss = losses.find(settings.loss, is_target_noisy=True)
    objective = trainer.weighted(loss, settings)
    begin = time.perf_counter()
    for batch in dataset.batches(views, dataset.Cut(settings.crop, settings.batch, settings.seed),
                                 workers=settings.workers):  # fmt: skip
        trainer.update(state, batch, objective, settings, device)
        if state.step == WARM:
            begin = time.perf_counter()
        if state.step == settings.steps:
            break
    return (time.perf_counter() - begin) / TIMED


if __name__ == "__main__":
    sys.exit(main())
