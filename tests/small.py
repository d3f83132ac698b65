"""Small things to learn from and to learn with: networks of a few channels, pairs of a few pixels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcdenoise import exr, networks, plugins
from mcdenoise.encoding import GUIDE_CHANNELS
from mcdenoise.frame import Frame
from mcdenoise.networks._contract import Denoising
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View

MakeFrame = Callable[..., Frame]


def recipe(name: str) -> dict[str, Any]:
    """The recipe of the network `name`, with four channels at each level where it says how many."""
    usual: dict[str, Any] = plugins.load(networks, name).Network().recipe
    return {**usual, "widths": [4 for _ in usual["widths"]]} if "widths" in usual else usual


def network(name: str, *, seed: int = 0) -> Denoising:
    """The network `name` with random weights, small where its recipe allows it."""
    sizes = recipe(name)
    torch.manual_seed(seed)
    return networks.build(name, sizes).eval()


def shrink_fresh_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are built without a recipe, as the trainer does, come out small."""
    build = networks.build
    monkeypatch.setattr(networks, "build", lambda name, given: build(name, given or recipe(name)))


def inputs(height: int, width: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy radiance and guides as a network gets them, 1 c h w."""
    chance = torch.Generator().manual_seed(seed)
    color = torch.randn(1, 3, height, width, generator=chance).exp()
    return color, torch.rand(1, GUIDE_CHANNELS, height, width, generator=chance)


def farthest_dependence(network: Denoising, axis: int) -> int:
    """In pixels along `axis`, over all places of an output pixel on the stride.

    By gradients: what a change of one pixel does fades with the distance and would drown in rounding.
    """
    length = 2 * (network.radius // network.stride + 4) * network.stride
    size = (length, network.stride) if axis == 2 else (network.stride, length)
    given = [part.requires_grad_() for part in inputs(*size)]
    lines = network(*given).unbind(axis)
    farthest = 0
    for here in range(length // 2, length // 2 + network.stride):
        wanted = lines[here].square().sum()
        for gradient in torch.autograd.grad(wanted, given, retain_graph=True, allow_unused=True):
            if gradient is None:  # no guides are looked at
                continue
            reached = gradient.abs().amax((0, 1, 5 - axis)).nonzero()
            farthest = max(farthest, int((reached - here).abs().max()))
    return farthest


def settings(**changes: object) -> TrainSettings:
    """Eight steps on crops of 32x32."""
    usual: dict[str, object] = {"steps": 8, "batch": 1, "crop": 32, "save_every": 4, "device": "cpu"}
    return TrainSettings(**{**usual, **changes})  # type: ignore[arg-type]


def pair(halves: Sequence[Frame], *, scene: str = "scene") -> View:
    """Two frames as the trainer holds them in memory."""
    one, other = (dict(half.planes) for half in halves)
    return View(scene, f"{scene}.0001", (one, other))


def pairs(noisy_frame: MakeFrame, count: int = 3, *, size: tuple[int, int] = (40, 48)) -> list[View]:
    """`count` pairs, each of its own scene: `place0`, `place1`, ..."""
    halves = [[noisy_frame(2 * i, size=size), noisy_frame(2 * i + 1, size=size)] for i in range(count)]
    return [pair(two, scene=f"place{i}") for i, two in enumerate(halves)]


def save_pair(folder: Path, name: str, halves: Sequence[Frame], *, seeds: tuple[int, int] = (1, 2)) -> Path:
    """Write `NAME.a.exr` and `NAME.b.exr` as the harness does; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, seed, half in zip("ab", seeds, halves, strict=True):
        attributes = {"mcdenoise.seed": seed, "mcdenoise.scene": name, **half.attributes}
        exr.write_frame(folder / f"{name}.{letter}.exr", Frame(half.planes, attributes))
    return folder / f"{name}.a.exr"


def save_pairs(folder: Path, noisy_frame: MakeFrame, count: int = 3) -> Path:
    """Write `count` sound pairs of 40x48; returns the folder."""
    for i, made in enumerate(pairs(noisy_frame, count)):
        planes = [{name: plane.astype(np.float32) for name, plane in half.items()} for half in made.renders]
        save_pair(folder, made.scene, [Frame(half) for half in planes], seeds=(2 * i, 2 * i + 1))
    return folder
