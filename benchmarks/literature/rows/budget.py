"""A fixed number of exposures: many pictures twice, or few of them often; and what to do with the many."""

from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.images import Picture
from benchmarks.literature.networks import UNet
from benchmarks.literature.results import Results
from mcdenoise.dataset import Batch

STEPS = 600
WIDTH = 16
SIGMA = 50.0
EXPOSURES = 128
# Pictures of one crop; each arm takes its first ones, so often that the exposures are used up.
ARMS = {
    "64 pictures x 2, all pairs": (64, False),
    "16 pictures x 8, all pairs": (16, False),
    "4 pictures x 32, all pairs": (4, False),
    "4 pictures x 32, each against the mean of the others": (4, True),
    "4 pictures x 32, one against the mean of the others": (4, None),
}


def measure(results: Results) -> None:
    """A curve for each way to spend the exposures."""
    for name, (pictures, against_mean) in ARMS.items():
        results.once(name, partial(_curve, pictures, against_mean, results.steps))


def exposures(pictures: int) -> np.ndarray:
    """`pictures` crops, each exposed EXPOSURES / pictures times: pictures, times, h w 3. Always the same."""
    chance, found = np.random.default_rng(sources.SEED), images.trained()
    clean = [images.crop(found, sources.CROP, chance) for _ in range(pictures)]
    noisy = corruptions.gaussian((SIGMA, SIGMA))
    return np.stack([[noisy(one, chance).values for _ in range(EXPOSURES // pictures)] for one in clean])


def chosen(taken: np.ndarray, against_mean: bool | None, chance: np.random.Generator) -> sources.Triple:
    """Input and target of one step: two exposures of a picture; or one, or always the first, against the mean
    of all others."""
    times = taken[int(chance.integers(len(taken)))]
    one, other = (int(n) for n in chance.permutation(len(times))[:2])
    one = 0 if against_mean is None else one
    target: Picture = times[other] if against_mean is False else np.delete(times, one, axis=0).mean(0)
    turns = int(chance.integers(4))
    color, target = (np.rot90(plane, turns) for plane in (times[one], target))
    return color, target, np.ones_like(color)


def _curve(pictures: int, against_mean: bool | None, steps: int) -> learning.Curve:
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, corruptions.gaussian((SIGMA, SIGMA)))]
    taken = exposures(pictures)

    def batch(step: int) -> Batch:
        chance = np.random.default_rng([sources.SEED, step])
        return sources.batch([chosen(taken, against_mean, chance) for _ in range(sources.BATCH)])

    look = partial(learning.score, noisy, clean)
    return learning.fit(partial(UNet, WIDTH), map(batch, count()), steps, look=look)[1]


def tables(results: Results) -> list[page.Table]:
    """A row per arm."""
    rows = [[f"{EXPOSURES} exposures as", "PSNR after all steps, dB", "best on the way"]]
    for name in ARMS:
        curve = results.found[name]
        best = max(value for _, value in curve)
        rows.append([name, page.number(curve[-1][1]), page.number(best)])
    return [rows]


def draw(results: Results) -> Any:
    """The curves."""
    figure, (axes,) = figures.grid(1, height=4)
    figure.set_figwidth(6)
    figures.lines(axes, {name: results.found[name] for name in ARMS}, xlabel="steps", ylabel="PSNR, dB")
    return figure
