"""The literature's networks and ours on one task; and whether Noise2Noise fails on handwritten digits."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.networks import CAE, EVERY, DnCNN, Win5RB
from benchmarks.literature.results import Results
from mcdenoise import networks
from mcdenoise.networks._contract import Denoising

STEPS = 300
WIDTH = 16
SIGMA = 25.0
# Of digits: half of the range, as tutorials on MNIST use.
DIGIT_SIGMA = 127.5
DIGIT_BATCH = 8

BUILDS: dict[str, Callable[[], Denoising]] = {
    **{name: partial(build, WIDTH) for name, build in EVERY.items()},
    "ours (hybrid)": partial(networks.build, "hybrid", {"widths": [WIDTH, 24, 32, 48]}),
}
# Network, whether targets are clean, noise is clipped, digits are two-valued; and the published error.
DIGITS: dict[str, tuple[Callable[[int], Denoising], bool, bool, bool, str]] = {
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
    """Each network's size and curve; each way to learn digits."""
    for name in BUILDS:
        results.once(name, partial(_curve, name, results.steps))
        if results.are_timed:
            results.once(f"seconds | {name}", partial(seconds, BUILDS[name]))
    for name in DIGITS:
        results.once(f"digits | {name}", partial(_digits, name, results))


def _curve(name: str, steps: int) -> dict[str, Any]:
    clean = images.tested()
    noise = corruptions.gaussian((SIGMA, SIGMA))
    noisy = [found.values for found in sources.corrupted(clean, noise)]
    source = sources.batches(images.trained(), sources.noise2noise(noise))
    network, curve = learning.fit(
        BUILDS[name], source, steps, look=partial(learning.score, noisy, clean), learning_rate=2e-3
    )
    parameters = sum(value.numel() for value in network.parameters())
    return {"parameters": parameters, "flops": flops(network), "curve": curve}


def flops(network: Denoising) -> float:
    """Operations of its convolutions for a pixel: a multiplication and an addition are two."""
    color = torch.rand(1, 3, 64, 64, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        network(color, sources.no_guides(color))
    return float(counted.get_total_flops() / 64**2)


def seconds(build: Callable[[], Denoising]) -> float:
    """The median of five runs over a picture of 512x512, here and now: it wants an idle machine."""
    network, picture = build().eval(), np.full((512, 512, 3), 0.5, np.float32)
    taken = []
    for _ in range(6):
        begin = time.perf_counter()
        learning.denoised(network, [picture])
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[1:])


def _digits(name: str, results: Results) -> float:
    build, is_clean, is_clipped, are_two_valued, _ = DIGITS[name]
    learned, clean = images.digits(are_two_valued=are_two_valued)
    noise = corruptions.gaussian((DIGIT_SIGMA, DIGIT_SIGMA), is_clipped=is_clipped)
    noisy = [found.values for found in sources.corrupted(clean, noise)]
    pair = sources.noise2clean(noise) if is_clean else sources.noise2noise(noise)
    source = sources.batches(learned, pair, side=32, size=DIGIT_BATCH)
    network, _ = learning.fit(partial(build, WIDTH), source, results.steps)
    found = learning.denoised(network, noisy)
    for title, pictures in {"truth": clean, "noisy": noisy, name: found}.items():
        results.keep(title, np.concatenate(pictures[:4], axis=1))
    return learning.mse(found, clean)


def cost_of_clipping(*, are_two_valued: bool) -> float:
    """The squared error of the mean of clipped noisy values: what any perfect student of such targets is left
    with, on the digits that are tested on."""
    truth = np.stack(images.digits(are_two_valued=are_two_valued)[1]).astype(np.float64)
    sigma = DIGIT_SIGMA / 255
    low, high = -truth / sigma, (1 - truth) / sigma
    inside = truth * (norm.cdf(high) - norm.cdf(low)) + sigma * (norm.pdf(low) - norm.pdf(high))
    return float(np.square(inside + norm.sf(high) - truth).mean())


def tables(results: Results) -> list[page.Table]:
    """A row per network; a row per way to learn digits."""
    sizes = [["network", "parameters", "FLOPs a pixel", "PSNR after all steps, dB", "seconds, 512x512"]]
    for name in BUILDS:
        told, taken = results.found[name], results.found.get(f"seconds | {name}")
        last = page.number(told["curve"][-1][1])
        cells = [f"{told['parameters']:,}", f"{told['flops']:,.0f}", last]
        sizes.append([name, *cells, page.number(taken, 3) if taken else "-"])
    errors = [["digits", "MSE", "of it clipping of noisy targets alone", "published MSE"]]
    for name, (_, is_clean, is_clipped, are_two_valued, published) in DIGITS.items():
        cost = cost_of_clipping(are_two_valued=are_two_valued) if is_clipped and not is_clean else 0
        error = results.found[f"digits | {name}"]
        errors.append([name, page.number(error, 5), page.number(cost, 5), published])
    return [sizes, errors]


def draw(results: Results) -> Any:
    """The curves, and digits."""
    figure, axes = figures.grid(2 + len(DIGITS) + 1, columns=3, height=1.9)
    figures.lines(
        axes[0], {name: results.found[name]["curve"] for name in BUILDS}, xlabel="steps", ylabel="PSNR, dB"
    )
    for place, name in zip(axes[1:], ("truth", "noisy", *DIGITS), strict=True):
        figures.picture(place, results.picture(name), name)
    return figure
