"""One network from one source of pairs, by the project's trainer; and what it makes of pictures."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
import torch

from benchmarks.literature.images import Picture
from benchmarks.literature.sources import SEED, no_guides
from mcdenoise import encoding, engine, losses, trainer
from mcdenoise.dataset import Batch
from mcdenoise.networks._contract import Denoising
from mcdenoise.settings import TrainSettings

# Points of a learning curve.
LOOKS = 8

Look = Callable[[Denoising], float]
# Steps, and what was seen after them.
Curve = list[tuple[int, float]]


class Student:
    """A network that learns by nothing but a loss, and its average.

    Losses that are unsafe for noisy targets are asked for on purpose here: to see them fail, or find a mode.
    """

    def __init__(self, build: Callable[[], Denoising], steps: int, loss: str, learning_rate: float) -> None:
        self._settings = TrainSettings(
            steps=steps, loss=loss, means_weight=0.0, firefly_limit=math.inf, learning_rate=learning_rate,
            ema=0.98, seed=SEED,
        )  # fmt: skip
        self._device = engine.choose_device(self._settings.device)
        torch.manual_seed(SEED)
        self._state = trainer.begin(build(), self._settings, self._device)
        self._objective = trainer.weighted(losses.find(loss, is_target_noisy=False), self._settings)

    @property
    def network(self) -> Denoising:
        """The average of its last weights."""
        return self._state.averaged.eval()

    def learn(self, source: Iterator[Batch], steps: int) -> None:
        """So many steps."""
        for batch in islice(source, steps):
            trainer.update(self._state, batch, self._objective, self._settings, self._device)


def fit(
    build: Callable[[], Denoising],
    source: Iterator[Batch],
    steps: int,
    *,
    loss: str = "l2",
    look: Look | None = None,
    learning_rate: float = 3e-3,
) -> tuple[Denoising, Curve]:
    """The averaged network after so many steps, and what `look` saw on the way."""
    student, curve = Student(build, steps, loss, learning_rate), []
    ends = [steps * (number + 1) // LOOKS for number in range(LOOKS)]
    for begin, end in pairwise([0, *ends]):
        student.learn(source, end - begin)
        if look:
            curve.append((end, look(student.network)))
    return student.network, curve


@torch.inference_mode()
def denoised(network: Denoising, pictures: Sequence[Picture]) -> list[Picture]:
    """Each whole, in float32 and no exposure; sides are multiples of the network's stride."""
    device = next(network.parameters()).device
    given = [encoding.tensor(picture).to(device) for picture in pictures]
    return [encoding.decode(network(color, no_guides(color)), 1.0) for color in given]


def score(noisy: Sequence[Picture], truths: Sequence[Picture], network: Denoising) -> float:
    """The PSNR of what the network makes of noisy pictures."""
    return psnr(denoised(network, noisy), truths)


def psnr(pictures: Sequence[Picture], truths: Sequence[Picture]) -> float:
    """Mean over the pictures of 10 log10(1 / mean squared error), in dB; nothing is clipped."""
    return float(np.mean([-10 * math.log10(mse([p], [t])) for p, t in zip(pictures, truths, strict=True)]))


def mse(pictures: Sequence[Picture], truths: Sequence[Picture]) -> float:
    """The mean squared error over all pictures."""
    return float(np.mean([np.square(p - t).mean() for p, t in zip(pictures, truths, strict=True)]))
