"""A model fine-tuned on the frame at hand: its two halves are a pair to learn from, and to be examined on.

The frame is cut into tiles, and one of each four is held out. There, what the adapted network makes of one
half is compared with the other half, whose noise it has never seen, and so is what the shipped network makes
of it. The difference of both squared errors has the mean that it would have against the reference, since the
other half's own noise drops out. Adapted weights are used only where that difference is surely below zero.

Of a frame without a second half some pixels are hidden: their neighbours stand in for them, and what the
network makes of them is compared with what they were. That is right only if neighbours share no noise.

The loss is relMSE with what the shipped network makes of both halves, on average, in the divisor: the first
alone would forgive where it is too bright (docs/decisions/0017). The frame's light is kept.

Source: Lehtinen et al. 2018, "Noise2Noise"; steps that go on from frame to frame are theirs too. Batson and
Royer 2019, "Noise2Self", for hidden pixels.
"""

import copy
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from mcdenoise import affinity, dataset, encoding, engine, losses, soundness, trainer
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

# Of a frame without another half one pixel of each square of so many is hidden, in so many ways.
SQUARE, WAYS = 3, 4
# How far the noise of neighbours may be alike there, the difference to the denoised frame for noise: box
# filters gave -0.05 to 0.25, others 0.15 to 0.51 (docs/decisions/0017).
SHARED = 0.12

Planes = Sequence[Plane]
Asked = Float32[np.ndarray, "h w 1"]
Progress = Callable[[int, int], None]
Tiles = list[tuple[slice, slice]]


class Lesson(NamedTuple):
    """A frame as it is learned from.

    Attributes:
        given: what the network sees: each of both halves, or the frame with pixels hidden in several ways.
        targets: for each of them, what has noise that the network doesn't see, h w 3.
        asked: where that is so, h w 1, with a mean of 1.
    """

    given: tuple[Frame, ...]
    targets: tuple[Plane, ...]
    asked: tuple[Asked, ...]

    @property
    def hides(self) -> bool:
        """Whether it is of one frame with pixels hidden."""
        return len(self.given) > 2


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

    def fit(self, frame: Frame, half: Frame | None = None, *, on_step: Progress | None = None) -> int:
        """Give the denoiser the weights that do best on this frame; how many steps they are from the shipped
        ones, those on the frames before among them. 0: nothing did better than the shipped ones.

        Ends after the usual steps or the adapter's seconds, whichever are over first.

        Raises:
            FrameError: the frame is too small to hold tiles out, or has no second half and noise that
                neighbours share.
            TrainingError: the loss is no number.
        """
        until = time.monotonic() + self._seconds
        learned, held_out = tiles(*frame.size)
        lesson = of_halves(frame, half) if half else self._of_one(frame)
        exam = Exam(lesson, self._denoised(self._shipped, lesson), held_out)
        best = self._examined(_Best(self._shipped, Mark(0.0, 0.0, True), 0), exam, lesson)
        settings = FIRST if best.network is self._shipped else NEXT
        state = self._begin(best, settings)
        exposure = encoding.exposure(lesson.targets[0])
        objective = relative_to_pilot(exposure, settings.means_weight, hides=lesson.hides)
        batches = dataset.batches(views(lesson, learned, exposure), _cut(settings))
        for batch in itertools.islice(batches, settings.steps):
            trainer.update(state, self._with_pilot(batch), objective, settings, self._denoiser.device)
            self._steps += 1
            if on_step:
                on_step(state.step, settings.steps)
            is_over = state.step == settings.steps or time.monotonic() >= until
            if is_over or not state.step % EXAMINED_EVERY:
                best = self._examined(best, exam, lesson)
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

    def _of_one(self, frame: Frame) -> Lesson:
        """Of a frame without another half.

        Raises:
            FrameError: neighbours share their noise.
        """
        sound = _sound(frame)
        clean = Frame({"color": engine.denoise(self._shipped, sound, device=self._denoiser.device)[0]})
        shared = soundness.correlation_beside(sound, clean)
        if shared > SHARED:
            raise FrameError(f"can't be adapted to alone: neighbours share their noise ({shared:.2f}); "
                             "give a render with another seed as --half")  # fmt: skip
        return of_one(sound)

    def _examined(self, best: _Best, exam: "Exam", lesson: Lesson) -> _Best:
        """The network in training, if there is one and it does better than the best so far; else that."""
        if self._state is None:
            return best
        mark = exam.mark(self._denoised(self._state.averaged, lesson))
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

    def _denoised(self, network: Denoising, lesson: Lesson) -> Planes:
        return [engine.denoise(network, given, device=self._denoiser.device)[0] for given in lesson.given]

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
    """A lesson and what the shipped network makes of it, to compare other networks with.

    Args:
        lesson: without NaN.
        shipped: all that is given in it, denoised, h w 3.
        held_out: the tiles that nothing was learned from.
    """

    def __init__(self, lesson: Lesson, shipped: Planes, held_out: Tiles) -> None:
        self._lesson, self._shipped, self._held_out = lesson, shipped, held_out
        self._pilot = np.mean(shipped, axis=0, dtype=np.float64)

    def mark(self, clean: Planes) -> Mark:
        """How a network did that made this of the lesson."""
        lesson = self._lesson
        trials = zip(clean, self._shipped, lesson.targets, lesson.asked, strict=True)
        worse = np.mean([_worse(*trial) for trial in trials], axis=0)
        worse = (worse / (self._pilot**2 + EPSILON)).mean(axis=2)
        blocks = np.concatenate([_blocks(worse[tile]) for tile in self._held_out])
        off = self._light_off(clean)
        keeps_light = off <= max(LIGHT, self._light_off(self._shipped))
        return Mark(float(blocks.mean()), float(blocks.std() / np.sqrt(len(blocks))), keeps_light)

    def _light_off(self, clean: Planes) -> float:
        """By which share the mean of the frame isn't that of the noisy one, which is right on average."""
        light, noisy = (sum(float(plane.mean(dtype=np.float64)) for plane in planes)
                        for planes in (clean, self._lesson.targets))  # fmt: skip
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


def of_halves(one: Frame, other: Frame) -> Lesson:
    """Each half from the other."""
    one, other = _sound(one), _sound(other)
    everywhere = np.ones((*one.size, 1), np.float32)
    return Lesson((one, other), (other.color, one.color), (everywhere, everywhere))


def of_one(frame: Frame) -> Lesson:
    """Hidden pixels from those around: one of each square inside, no two of them neighbours, others each way.

    What stands in for one is the mean of its neighbours, of those whose guides are alike; never what it was.
    """
    guides = encoding.tensor(encoding.guides(frame.planes, frame.size))
    mean = encoding.decode(affinity.smoothed_around(encoding.tensor(frame.color), guides), 1.0)
    stand_in = np.where(mean == frame.color, mean * np.float32(1 + 1e-5) + np.float32(1e-6), mean)
    height, width = frame.size
    y, x = np.ogrid[:height, :width]
    inside = (y % (height - 1) > 0) & (x % (width - 1) > 0)  # at the edge a pixel is its own neighbour
    hidden = [((y % SQUARE * SQUARE + x % SQUARE == 2 * way) & inside)[..., None] for way in range(WAYS)]
    given = tuple(
        Frame({**frame.planes, "color": np.where(where, stand_in, frame.color)}) for where in hidden
    )
    asked = tuple(np.asarray(where / where.mean(), np.float32) for where in hidden)
    return Lesson(given, (frame.color,) * WAYS, asked)


def views(lesson: Lesson, places: Tiles, exposure: float) -> list[View]:
    """Tiles of a lesson, in the exposure of the frame, as the trainer takes them."""
    frames = lesson.given
    if lesson.hides:  # what all of them are to become is the last
        frames = *frames, Frame({**frames[0].planes, "color": lesson.targets[0]})
    renders = [tuple({name: plane[place] for name, plane in frame.planes.items()} for frame in frames)
               for place in places]  # fmt: skip
    spps = (1,) * len(frames)
    return [View("", "frame", tile, spps, exposure=exposure, has_clean=lesson.hides) for tile in renders]


def relative_to_pilot(exposure: float, means_weight: float, *, hides: bool) -> trainer.Objective:
    """(f - y)² / (p² + 0.01) in the frame's own radiance, p the pilot in place of a witness, weighted by the
    certainty that the input gives; beside it the light of squares. Where pixels were hidden, those count."""
    least = EPSILON * exposure**2

    def objective(output: Output, batch: Batch) -> tuple[Tensor, Tensor]:
        weight = losses.certainty(trainer.noise_of(output, batch), batch.target_noise)
        if hides:
            hidden = (batch.color != batch.target).any(1, keepdim=True).float()
            weight = weight * hidden / hidden.mean()
        squares = (output.estimate.float() - batch.target).square()
        loss = (weight * squares / (batch.witness.square() + least)).mean()
        return loss, means_weight * losses.of_means(output.estimate.float(), batch.target)

    return objective


def _cut(settings: TrainSettings) -> Cut:
    """Crops as the frame is: with all its guides, in its exposure."""
    return Cut(
        settings.crop, settings.batch, settings.seed, guide_dropout=0.0, guide_blindness=0.0, stops=0.0
    )


def _sound(half: Frame) -> Frame:
    """Its planes, with what is no number in the color replaced."""
    return Frame({**half.planes, "color": encoding.finite(half.color)[0]})


def _worse(clean: Plane, shipped: Plane, target: Plane, asked: Asked) -> np.ndarray:
    """(f - t)² - (s - t)² where it is asked for, h w 3."""
    f, s, t = (plane.astype(np.float64) for plane in (clean, shipped, target))
    return np.asarray((f - s) * (f + s - 2 * t) * asked)


def _blocks(worse: Float64[np.ndarray, "h w"]) -> np.ndarray:
    """The means of square blocks."""
    count = TILE // BLOCK
    return np.asarray(worse.reshape(count, BLOCK, count, BLOCK).mean(axis=(1, 3)).ravel())
