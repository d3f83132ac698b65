"""Does Noise2Noise fail on handwritten digits, as was published? What clipping does to the mean of noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.networks import CAE, DnCNN, Win5RB
from benchmarks.literature.results import Results
from mcdenoise.networks._contract import Denoising

STEPS = 300
WIDTH = 16
# Half of the range, as tutorials on MNIST use.
SIGMA = 127.5
BATCH = 8

# Network; whether targets are clean, noise is clipped, digits are two-valued; and the published error.
WAYS: dict[str, tuple[Callable[[int], Denoising], bool, bool, bool, str]] = {
    "CAE, clean targets, clipped": (CAE, True, True, True, "0.00991"),
    "DnCNN, clean targets, clipped": (DnCNN, True, True, True, "0.00943"),
    "Win5-RB, clean targets, clipped": (Win5RB, True, True, True, "0.00873"),
    "Win5-RB, noisy targets, clipped": (Win5RB, False, True, True, "0.0425"),
    "Win5-RB, noisy targets, unclipped": (Win5RB, False, False, True, "-"),
    "Win5-RB, clean targets, unclipped": (Win5RB, True, False, True, "-"),
    "Win5-RB, noisy targets, clipped, grey digits": (Win5RB, False, True, False, "-"),
    "Win5-RB, noisy targets, unclipped, grey digits": (Win5RB, False, False, False, "-"),
}


def measure(results: Results) -> None:
    """Each way to learn."""
    for name in WAYS:
        results.once(name, partial(_learned, name, results))


def _learned(name: str, results: Results) -> float:
    build, is_clean, is_clipped, are_two_valued, _ = WAYS[name]
    learned, clean = images.digits(are_two_valued=are_two_valued)
    noise = corruptions.gaussian((SIGMA, SIGMA), is_clipped=is_clipped)
    noisy = [found.values for found in sources.corrupted(clean, noise)]
    pair = sources.noise2clean(noise) if is_clean else sources.noise2noise(noise)
    source = sources.batches(learned, pair, side=32, size=BATCH)
    rate = 3e-3 if build is CAE else 1e-2  # batch normalization bears more, and has farther to go
    network, _ = learning.fit(partial(build, WIDTH), source, results.steps, learning_rate=rate)
    found = learning.denoised(network, noisy)
    shown = {"truth": clean, "noisy": noisy} if name == next(iter(WAYS)) else {}
    for title, pictures in {**shown, name: found}.items():
        results.keep(title, np.concatenate(pictures[:4], axis=1))
    return learning.mse(found, clean)


def cost_of_clipping(*, are_two_valued: bool) -> float:
    """The squared error of the mean of clipped noisy values: what any perfect student of such targets is left
    with, on the digits that are tested on."""
    truth = np.stack(images.digits(are_two_valued=are_two_valued)[1]).astype(np.float64)
    sigma = SIGMA / 255
    low, high = -truth / sigma, (1 - truth) / sigma
    inside = truth * (norm.cdf(high) - norm.cdf(low)) + sigma * (norm.pdf(low) - norm.pdf(high))
    return float(np.square(inside + norm.sf(high) - truth).mean())


def tables(results: Results) -> list[page.Table]:
    """A row per way to learn."""
    errors = [["digits", "MSE", "of it clipping of noisy targets alone", "published MSE"]]
    for name, (_, is_clean, is_clipped, are_two_valued, published) in WAYS.items():
        cost = cost_of_clipping(are_two_valued=are_two_valued) if is_clipped and not is_clean else 0
        errors.append([name, page.number(results.found[name], 5), page.number(cost, 5), published])
    return [errors]


def draw(results: Results) -> Any:
    """Four digits: as they are, as they were seen, and what was made of them."""
    figure, axes = figures.grid(2 + len(WAYS), columns=2, height=1)
    for place, name in zip(axes, ("truth", "noisy", *WAYS), strict=True):
        figures.picture(place, results.picture(name), name)
    return figure
