"""Which loss finds what: the mean, the median, the mode; and where that isn't the picture."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.corruptions import Corruption
from benchmarks.literature.networks import Constant, UNet
from benchmarks.literature.results import Results
from benchmarks.literature.rows.corruptions import SHOWN
from mcdenoise.dataset import Batch

STEPS = 300
WIDTH = 16
# Pictures take so many times the steps of constants.
TIMES = 3
LOSSES = ("l2", "l1", "l0", "relative_l2")
CONSTANT = "best constant"

# Draws of one value that a corruption leaves behind, and the value that was there before.
Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
TRUTH = 0.2


def text_like(chance: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """The truth, but 40 % are white ink."""
    return np.where(chance.uniform(size=size) < 0.4, 1.0, TRUTH)


def impulses(chance: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """The truth, but 70 % are anything from 0 to 1."""
    return np.where(chance.uniform(size=size) < 0.7, chance.uniform(size=size), TRUTH)


def long_tailed(chance: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Log-normal with the truth as its mean, as Monte Carlo noise has."""
    return TRUTH * np.exp(chance.normal(-0.5, 1, size))


NOISES: dict[str, Noise] = {"text, 40 %": text_like, "impulses, 70 %": impulses, "long-tailed": long_tailed}
TASKS: dict[str, tuple[Corruption, Corruption]] = {
    "text, 40 %": (corruptions.text((0.0, 0.5)), corruptions.text((0.4, 0.4))),
    "impulses, 70 %": (corruptions.impulse((0.0, 0.95)), corruptions.impulse((0.7, 0.7))),
}


def measure(results: Results) -> None:
    """The constant that each loss finds under each noise, and the pictures that it makes of noisy targets."""
    for noise in NOISES:
        for loss in LOSSES:
            find = partial(best_constant, NOISES[noise], loss, results.steps)
            results.once(f"{CONSTANT} | {noise} | {loss}", find)
    for task in TASKS:
        for loss in LOSSES[:3]:
            results.once(f"{task} | {loss}", partial(_trained, task, loss, results))


def best_constant(noise: Noise, loss: str, steps: int) -> float:
    """What a network of a single value learns of such targets."""
    network, _ = learning.fit(Constant, values(noise), steps, loss=loss, learning_rate=2e-2)
    return float(learning.denoised(network, [np.zeros((8, 8, 3), np.float32)])[0].mean())


def values(noise: Noise) -> Iterator[Batch]:
    """Batches of nothing but noisy targets."""
    for step in count():
        chance = np.random.default_rng([sources.SEED, step])
        target = noise(chance, (64, 64, 3)).astype(np.float32)
        yield sources.batch([(target * 0, target, np.ones_like(target))])


def statistics(noise: Noise) -> dict[str, float]:
    """Mean, median, and mode of a million values: the middle of the fullest of 200 bins up to 1."""
    drawn = noise(np.random.default_rng(sources.SEED), (1_000_000,))
    counts, edges = np.histogram(drawn, 200, (0, 1.005))
    mode = (edges[counts.argmax()] + edges[counts.argmax() + 1]) / 2
    return {"mean": float(drawn.mean()), "median": float(np.median(drawn)), "mode": float(mode)}


def _trained(task: str, loss: str, results: Results) -> dict[str, Any]:
    learned, tested = TASKS[task]
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, tested)]
    source = sources.batches(images.trained(), sources.noise2noise(learned))
    network, _ = learning.fit(partial(UNet, WIDTH), source, TIMES * results.steps, loss=loss)
    shown = learning.denoised(network, noisy)
    for name, picture in {"corrupted": noisy[SHOWN], loss: shown[SHOWN]}.items():
        results.keep(f"{task} {name}", picture)
    return {"corrupted": learning.psnr(noisy, clean), "psnr": learning.psnr(shown, clean)}


def tables(results: Results) -> list[page.Table]:
    """A row per noise: what each loss finds; a row per task: what it makes of pictures."""
    constants = [["noise", "truth", "mean", "median", "mode", *LOSSES]]
    for noise, draws in NOISES.items():
        found = [results.found[f"{CONSTANT} | {noise} | {loss}"] for loss in LOSSES]
        values = [TRUTH, *statistics(draws).values(), *found]
        constants.append([noise, *(page.number(value, 3) for value in values)])
    pictures = [["pictures, dB", "corrupted", *LOSSES[:3]]]
    for task in TASKS:
        told = [results.found[f"{task} | {loss}"] for loss in LOSSES[:3]]
        values = [told[0]["corrupted"], *(each["psnr"] for each in told)]
        pictures.append([task, *map(page.number, values)])
    return [constants, pictures]


def draw(results: Results) -> Any:
    """What each loss makes of a picture."""
    figure, axes = figures.grid(4 * len(TASKS), columns=4, height=3.2)
    for row, task in enumerate(TASKS):
        for place, name in zip(axes[4 * row :], ("corrupted", *LOSSES[:3]), strict=False):
            figures.picture(place, results.picture(f"{task} {name}")[16:112, 16:112], f"{task}: {name}")
    return figure
