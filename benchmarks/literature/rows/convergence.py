"""Noisy targets make noisy gradients; they average out over pixels, less where these share their noise."""

from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.networks import UNet
from benchmarks.literature.results import Results
from mcdenoise import losses
from mcdenoise.networks._contract import Denoising

STEPS = 300
WIDTH = 16
SIGMA = 25.0
# Of the noise's correlation, in pixels.
BLURS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
DRAWS = 16


def measure(results: Results) -> None:
    """Of each length: how noisy one step's gradient is at a network half way; and a training's curve."""
    results.once("gradients", partial(gradient_noise, results.steps // 2))
    for blur in BLURS[::2]:
        results.once(f"curve {blur}", partial(_curve, blur, results.steps))


def gradient_noise(steps: int) -> list[float]:
    """Of each correlation: how far a step's gradient is from that of clean targets, as a share of its length;
    the targets' noise varies, the inputs don't."""
    source = sources.batches(images.trained(), sources.noise2clean(corruptions.gaussian((SIGMA, SIGMA))))
    network, _ = learning.fit(partial(UNet, WIDTH), source, steps)
    network.cpu()
    batch, chance = next(source), np.random.default_rng(sources.SEED)
    clean = _gradient(network, batch.color, batch.target)

    def noise(blur: float) -> torch.Tensor:
        drawn = [corruptions.correlated((sources.CROP, sources.CROP, 3), blur, chance) for _ in batch.target]
        return torch.from_numpy(np.stack(drawn).transpose(0, 3, 1, 2)).float() * SIGMA / 255

    def deviation(blur: float) -> float:
        noisy = [_gradient(network, batch.color, batch.target + noise(blur)) for _ in range(DRAWS)]
        return float((torch.stack(noisy) - clean).square().sum(1).mean().sqrt() / clean.norm())

    return [deviation(blur) for blur in BLURS]


def _gradient(network: Denoising, color: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    network.zero_grad()
    losses.find("l2", is_target_noisy=True)(network(color, sources.no_guides(color)), target).backward()
    return torch.cat([value.grad.flatten() for value in network.parameters() if value.grad is not None])


def _curve(blur: float, steps: int) -> learning.Curve:
    """White inputs, so that all have the same task; only the target's noise is correlated."""
    white = corruptions.gaussian((SIGMA, SIGMA))
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, white)]
    target = corruptions.gaussian((SIGMA, SIGMA), blur=blur)

    def pair(picture: images.Picture, chance: np.random.Generator) -> sources.Triple:
        one, other = chance.spawn(2)
        return (white(picture, one).values, *target(picture, other))

    source = sources.batches(images.trained(), pair)
    look = partial(learning.score, noisy, clean)
    return learning.fit(partial(UNet, WIDTH), source, steps, look=look)[1]


def tables(results: Results) -> list[page.Table]:
    """A row per length."""
    rows = [
        ["correlated over, pixels", "noise of the gradient / its clean length", "PSNR after all steps, dB"]
    ]
    for blur, noise in zip(BLURS, results.found["gradients"], strict=True):
        curve = results.found.get(f"curve {blur}")
        rows.append([f"{blur:g}", page.number(noise), page.number(curve[-1][1]) if curve else "-"])
    return [rows]


def draw(results: Results) -> Any:
    """The gradient's noise over the length, and the curves."""
    figure, (left, right) = figures.grid(2)
    points = list(zip(BLURS, results.found["gradients"], strict=True))
    figures.lines(left, {"one step": points}, xlabel="correlated over, pixels", ylabel="noise / gradient")
    curves = {f"{blur:g} pixels": results.found[f"curve {blur}"] for blur in BLURS[::2]}
    figures.lines(right, curves, xlabel="steps", ylabel="PSNR, dB")
    return figure
