"""Which loss finds what: the mean, the median, the mode of noisy values."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks.literature import figures, learning, page, sources
from benchmarks.literature.networks import Constant
from benchmarks.literature.results import Results
from mcdenoise.dataset import Batch

STEPS = 300
LOSSES = ("l2", "l1", "l0", "relative_l2")

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


def measure(results: Results) -> None:
    """The constant that each loss finds under each noise."""
    for noise in NOISES:
        for loss in LOSSES:
            results.once(f"{noise} | {loss}", partial(best_constant, NOISES[noise], loss, results.steps))


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


def tables(results: Results) -> list[page.Table]:
    """A row per noise: what each loss finds."""
    constants = [["noise", "truth", "mean", "median", "mode", *LOSSES]]
    for noise, draws in NOISES.items():
        found = [results.found[f"{noise} | {loss}"] for loss in LOSSES]
        values = [TRUTH, *statistics(draws).values(), *found]
        constants.append([noise, *(page.number(value, 3) for value in values)])
    return [constants]


def draw(results: Results) -> Any:
    """How often each value is seen, and where each loss comes to rest."""
    figure, axes = figures.grid(len(NOISES))
    for place, (noise, draws) in zip(axes, NOISES.items(), strict=True):
        place.hist(draws(np.random.default_rng(sources.SEED), (10_000,)), 60, (0, 1.01), color="0.8")
        for number, loss in enumerate(LOSSES):
            place.axvline(
                results.found[f"{noise} | {loss}"],
                color=f"C{number}",
                ls="--" if number == 3 else "-",
                label=loss,
            )
        place.set(title=noise, xlabel="value", yscale="log", ylim=(1, None))
        place.legend()
    return figure
