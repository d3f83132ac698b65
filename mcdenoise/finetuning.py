"""What keeps a fine-tuned model good: the best of its steps, and not forgetting what it came from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mcdenoise import checkpoint, engine, metrics, networks
from mcdenoise.frame import PLANES, Frame, Plane
from mcdenoise.networks._contract import Denoising

# Crops of made-up places that no shipped model was trained on, each with two halves of its reference; written
# by `python -m benchmarks.guard`.
CROPS = checkpoint.WEIGHTS / "guard.npz"
# How much worse than the model it came from one may be on them.
FORGETTING = 0.05
# Shares of the new weights that are tried, the rest from the old ones.
SHARES = (1.0, 0.75, 0.5, 0.25)
# Scores below that are noise of the references.
LEAST = 1e-6


@dataclass(frozen=True)
class Crop:
    """A noisy frame and two independent halves of its reference."""

    noisy: Frame
    reference: tuple[Plane, Plane]


@dataclass(frozen=True)
class Settled:
    """How much of the tuned weights is kept, and relMSE on the crops over that of the model before."""

    share: float
    forgetting: float


class Best:
    """The averaged weights of the best validation, in a file, so that a run that is resumed knows them.

    Raises:
        ModelError: that file can't be read or written.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self.relmse, self.validations_since = float("inf"), 0
        if path.exists() and (card := checkpoint.load_model(path).card)["step"] <= step:
            self.relmse = float(card["relmse"])

    def look(self, step: int, relmse: float, network: Denoising) -> None:
        """Take note of a validation."""
        self.validations_since += 1
        if relmse < self.relmse:
            self.relmse, self.validations_since = relmse, 0
            checkpoint.save_model(self._path, network, {"step": step, "relmse": relmse})

    def restore(self, network: Denoising) -> None:
        """Give the network the best weights."""
        if np.isfinite(self.relmse):
            network.load_state_dict(checkpoint.load_model(self._path).network.state_dict())


def crops(path: Path = CROPS) -> list[Crop]:
    """The crops that are shipped."""
    with np.load(path) as stored:
        planes = {name: stored[name].astype(np.float32) for name in stored.files}
    count = len(planes["color"])
    return [
        Crop(
            Frame({name: planes[name][i] for name in PLANES if name in planes}),
            (planes["reference.a"][i], planes["reference.b"][i]),
        )
        for i in range(count)
    ]


def settle(
    before: Denoising, tuned: Denoising, known: Sequence[Crop], device: torch.device
) -> tuple[Denoising, Settled]:
    """The network with the largest of `SHARES` of the tuned weights that isn't worse than before by more than
    `FORGETTING`; the one before where there is none.

    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".
    """
    usual = relmse(before, known, device)
    for share in SHARES:
        mixed = _mixed(before, tuned, share)
        ratio = relmse(mixed, known, device) / usual
        if ratio <= 1 + FORGETTING:
            return mixed, Settled(share, ratio)
    return before, Settled(0.0, 1.0)


def relmse(network: Denoising, known: Sequence[Crop], device: torch.device) -> float:
    """Geometric mean over the crops."""
    return metrics.geometric_mean(_scores(network, known, device))


def _scores(network: Denoising, known: Sequence[Crop], device: torch.device) -> Iterator[float]:
    for crop in known:
        clean, _ = engine.denoise(network, crop.noisy, device=device)
        yield max(metrics.relmse(clean, crop.reference[0], second_half=crop.reference[1]), LEAST)


def _mixed(before: Denoising, tuned: Denoising, share: float) -> Denoising:
    """Weights between those of two networks of one kind."""
    name = type(tuned).__module__.rsplit(".", 1)[-1]
    found = networks.build(name, tuned.recipe)
    old, new = before.state_dict(), tuned.state_dict()
    found.load_state_dict({key: torch.lerp(old[key].cpu(), new[key].cpu(), share) for key in new})
    return found.to(next(tuned.parameters()).device).eval()
