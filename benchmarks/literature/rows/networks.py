"""The literature's networks and ours on one task."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.networks import EVERY
from benchmarks.literature.results import Results
from mcdenoise import networks
from mcdenoise.networks._contract import Denoising

STEPS = 300
WIDTH = 16
SIGMA = 25.0
BUILDS: dict[str, Callable[[], Denoising]] = {
    **{name: partial(build, WIDTH) for name, build in EVERY.items()},
    "ours (hybrid)": partial(networks.build, "hybrid", {"widths": [WIDTH, 24, 32, 48]}),
}


def measure(results: Results) -> None:
    """Each network's size and curve."""
    for name in BUILDS:
        results.once(name, partial(_curve, name, results.steps))
        if results.are_timed:
            results.once(f"seconds | {name}", partial(seconds, BUILDS[name]))


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
    with FlopCounterMode(display=False) as counted, torch.no_grad():
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


def tables(results: Results) -> list[page.Table]:
    """A row per network."""
    sizes = [["network", "parameters", "FLOPs a pixel", "PSNR after all steps, dB", "seconds, 512x512"]]
    for name in BUILDS:
        told, taken = results.found[name], results.found.get(f"seconds | {name}")
        last = page.number(told["curve"][-1][1])
        cells = [f"{told['parameters']:,}", f"{told['flops']:,.0f}", last]
        sizes.append([name, *cells, page.number(taken, 3) if taken else "-"])
    return [sizes]


def draw(results: Results) -> Any:
    """The curves."""
    figure, (axes,) = figures.grid(1, height=4)
    figure.set_figwidth(6)
    figures.lines(
        axes, {name: results.found[name]["curve"] for name in BUILDS}, xlabel="steps", ylabel="PSNR, dB"
    )
    return figure
