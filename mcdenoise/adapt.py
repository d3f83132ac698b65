"""A model fine-tuned on the frame at hand: its two halves are a pair to learn from, and to be examined on.

The frame is cut into tiles, and one of each four is held out. There, what the adapted network makes of one
half is compared with the other half, whose noise it has never seen, and so is what the shipped network makes
of it. The difference of both squared errors has the mean that it would have against the reference, since the
other half's own noise drops out. Adapted weights are used only where that difference is surely below zero.

The loss is relMSE with what the shipped network makes of both halves, on average, in the divisor: the first
alone would forgive where it is too bright (docs/decisions/0017). The frame's light is kept.

Source: Lehtinen et al. 2018, "Noise2Noise"; steps that go on from frame to frame are theirs too.
"""

import copy
import itertools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mcdenoise import dataset, encoding, engine, losses, trainer
from mcdenoise.dataset import Batch, Cut
from mcdenoise.errors import FrameError
from mcdenoise.frame import Frame, Plane
from mcdenoise.metrics import EPSILON
from mcdenoise.networks._contract import Denoising, Output
from mcdenoise.settings import TrainSettings
from mcdenoise.trainer import State
from mcdenoise.views import View

log = logging.getLogger(__name__)

# Side of a tile in pixels.
TILE = 96
# One of so many tiles is held out.
HELD_OUT = 4
# Of the first frame and of those after it, which go on from it (the paper's number); the network is examined
# after so many of them.
FIRST = TrainSettings(steps=48, batch=4, crop=TILE, learning_rate=1e-4, ema=0.0, weight_decay=0.0)
NEXT = replace(FIRST, steps=8)
EXAMINED_EVERY = 12
# The difference of errors is below zero by so many of its standard errors; blocks of pixels are its samples.
SURE = 1.0
BLOCK = 16

# By this share of its light a frame may be off, or as far as the shipped network is.
LIGHT = 0.02

Halves = tuple[Frame, Frame]
Planes = tuple[Plane, Plane]
Progress = Callable[[int, int], None]
Tiles = list[tuple[slice, slice]]


class Mark(NamedTuple):
    """How a network does beside the shipped one.

    Attributes:
        worse: by how much its squared error over (y² + 0.01) is larger on the tiles held out.
        unsure: the standard error of that.
        keeps_light: whether the frame's mean is near that of the noisy one, or nearer than the shipped one's.
    """

    worse: float
    unsure: float
    keeps_light: bool

    @property
    def is_better(self) -> bool:
        """Beyond what noise explains, and not by darkening what is in doubt, as relMSE would have it."""
        return self.keeps_light and self.worse + SURE * self.unsure < 0


@dataclass
class _Best:
    """The network that did best so far, how it did, and how many steps it is from the shipped one."""

    network: Denoising
    mark: Mark
    steps: int


class Adapter:
    """Adapts a denoiser to frame after frame of a shot, each from where the one before it ended."""

    def __init__(self, denoiser: engine.Denoiser, seconds: float = math.inf) -> None:
        self._denoiser, self._seconds = denoiser, seconds
        self._shipped = denoiser.network
        self._state: State | None = None
        self._steps = 0

    def fit(self, halves: Halves, *, on_step: Progress | None = None) -> int:
        """Give the denoiser the weights that do best on this frame; how many steps they are from the shipped
        ones, those on the frames before among them. 0: nothing did better than the shipped ones.

        Ends after the usual steps or the adapter's seconds, whichever are over first.

        Raises:
            FrameError: the frame is too small to hold tiles out.
            TrainingError: the loss is no number.
        """
        until = time.monotonic() + self._seconds
        learned, held_out = tiles(*halves[0].size)
        one, other = (engine.repaired(Frame(half.planes))[0] for half in halves)
        sound = one, other
        exam = Exam(sound, self._denoised(self._shipped, sound), held_out)
        best = self._examined(_Best(self._shipped, Mark(0.0, 0.0, True), 0), exam, sound)
        settings = FIRST if best.network is self._shipped else NEXT
        state = self._begin(best, settings)
        exposure = encoding.exposure(sound[0].color)
        objective = relative_to_pilot(exposure, settings.means_weight)
        batches = dataset.batches(views(sound, learned, exposure), _cut(settings))
        for batch in itertools.islice(batches, settings.steps):
            trainer.update(state, self._with_pilot(batch), objective, settings, self._denoiser.device)
            self._steps += 1
            if on_step:
                on_step(state.step, settings.steps)
            is_over = state.step == settings.steps or time.monotonic() >= until
            if is_over or not state.step % EXAMINED_EVERY:
                best = self._examined(best, exam, sound)
            if is_over:
                break
        self._take(best)
        return best.steps

    def _begin(self, best: _Best, settings: TrainSettings) -> State:
        """Where the last frame's training ended, or, if that does no better here, the shipped network."""
        if self._state is None or best.network is self._shipped:
            network = copy.deepcopy(self._shipped)
            self._state, self._steps = trainer.begin(network, settings, self._denoiser.device), 0
        self._state.step = 0
        return self._state

    def _examined(self, best: _Best, exam: "Exam", sound: Halves) -> _Best:
        """The network in training, if there is one and it does better than the best so far; else that."""
        if self._state is None:
            return best
        mark = exam.mark(self._denoised(self._state.averaged, sound))
        log.debug("adapted %d steps: %+.3g +- %.2g", self._steps, mark.worse, mark.unsure)
        if not mark.is_better or mark.worse >= best.mark.worse:
            return best
        return _Best(copy.deepcopy(self._state.averaged), mark, self._steps)

    def _take(self, best: _Best) -> None:
        """Use it, and go on from it."""
        self._denoiser.network = best.network
        if self._state is None or best.network is self._shipped:
            self._state = None
            return
        for network in (self._state.network, self._state.averaged):
            network.load_state_dict(best.network.state_dict())
        self._steps = best.steps

    def _denoised(self, network: Denoising, halves: Halves) -> Planes:
        one, other = (engine.denoise(network, half, device=self._denoiser.device)[0] for half in halves)
        return one, other

    def _with_pilot(self, batch: Batch) -> Batch:
        """The batch with the mean of what the shipped network makes of both halves of a crop as witness."""
        device = self._denoiser.device
        batch = batch.to(device)
        with torch.inference_mode(), engine.precision(device):
            halves = torch.cat([batch.color, batch.target]).split(1)
            guides = 2 * batch.guides.split(1)
            clean = [self._shipped(*crop).float() for crop in zip(halves, guides, strict=True)]
            one, other = torch.cat(clean).chunk(2)
        return replace(batch, witness=(one + other) / 2)


class Exam:
    """Two halves and what the shipped network makes of them, to compare other networks with.

    Args:
        noisy: the halves, without NaN.
        shipped: each of them denoised, h w 3.
        held_out: the tiles that nothing was learned from.
    """

    def __init__(self, noisy: Halves, shipped: Planes, held_out: Tiles) -> None:
        self._noisy, self._shipped, self._held_out = noisy, shipped, held_out
        self._pilot = (shipped[0].astype(np.float64) + shipped[1]) / 2

    def mark(self, clean: Planes) -> Mark:
        """How both halves did, each against the other's noise."""
        targets = self._noisy[1].color, self._noisy[0].color
        worse = sum(_worse(*planes) for planes in zip(clean, self._shipped, targets, strict=True))
        worse = (worse / (self._pilot**2 + EPSILON)).mean(axis=2) / 2
        blocks = np.concatenate([_blocks(worse[tile]) for tile in self._held_out])
        off = self._light_off(clean)
        keeps_light = off <= max(LIGHT, self._light_off(self._shipped))
        return Mark(float(blocks.mean()), float(blocks.std() / np.sqrt(len(blocks))), keeps_light)

    def _light_off(self, clean: Planes) -> float:
        """By which share the mean of the frame isn't that of the noisy one, which is right on average."""
        light, noisy = (sum(float(plane.mean(dtype=np.float64)) for plane in planes)
                        for planes in (clean, [half.color for half in self._noisy]))  # fmt: skip
        return abs(light / noisy - 1) if noisy else 0.0


def tiles(height: int, width: int) -> tuple[Tiles, Tiles]:
    """Those to learn from, and those held out: one of each four, spread over the frame.

    Raises:
        FrameError: there are fewer than two rows or columns of them.
    """
    rows, columns = height // TILE, width // TILE
    if min(rows, columns) < 2:
        least = 2 * TILE
        raise FrameError(f"{width}x{height} pixels are too few to adapt to: it takes {least}x{least}; "
                         "leave out --adapt")  # fmt: skip
    learned: Tiles = []
    held_out: Tiles = []
    for row, column in itertools.product(range(rows), range(columns)):
        top, left = row * height // rows, column * width // columns
        part = held_out if (row + 2 * column) % HELD_OUT == 0 else learned
        part.append((slice(top, top + TILE), slice(left, left + TILE)))
    return learned, held_out


def views(halves: Halves, places: Tiles, exposure: float) -> list[View]:
    """Tiles of both halves, in the exposure of the frame, as the trainer takes them."""
    renders = [[{name: plane[place] for name, plane in half.planes.items()} for half in halves]
               for place in places]  # fmt: skip
    return [View("", "frame", tuple(both), exposure=exposure) for both in renders]


def relative_to_pilot(exposure: float, means_weight: float) -> trainer.Objective:
    """(f - y)² / (p² + 0.01) in the frame's own radiance, p the pilot in place of a witness, weighted by the
    certainty that the input gives; beside it the light of squares."""
    least = EPSILON * exposure**2

    def objective(output: Output, batch: Batch, _: float) -> tuple[Tensor, Tensor]:
        weight = losses.certainty(trainer.noise_of(output, batch), batch.target_noise)
        squares = (output.estimate.float() - batch.target).square()
        loss = (weight * squares / (batch.witness.square() + least)).mean()
        return loss, means_weight * losses.of_means(output.estimate.float(), batch.target, batch.color)

    return objective


def _cut(settings: TrainSettings) -> Cut:
    """Crops as the frame is: with all its guides, in its exposure."""
    return Cut.plain(settings.crop, settings.batch, settings.seed, repainting=0.0)


def _worse(clean: Plane, shipped: Plane, target: Plane) -> np.ndarray:
    """(f - t)² - (s - t)², h w 3."""
    f, s, t = (plane.astype(np.float64) for plane in (clean, shipped, target))
    return np.asarray((f - s) * (f + s - 2 * t))


def _blocks(worse: Float64[np.ndarray, "h w"]) -> np.ndarray:
    """The means of square blocks."""
    count = TILE // BLOCK
    return np.asarray(worse.reshape(count, BLOCK, count, BLOCK).mean(axis=(1, 3)).ravel())
