"""Shards in, model out: the training loop, on one page."""

import copy
import itertools
import logging
import math
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcdenoise import (
    affinity,
    checkpoint,
    dataset,
    encoding,
    engine,
    finetuning,
    losses,
    metrics,
    networks,
    noise2self,
    ranks,
    relighting,
)
from mcdenoise.dataset import Batch
from mcdenoise.errors import ModelError, TrainingError, UsageError
from mcdenoise.frame import Frame, Plane
from mcdenoise.journal import Journal, Report
from mcdenoise.networks._contract import Denoising, Output
from mcdenoise.ranks import Ranks
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View

log = logging.getLogger(__name__)

ALONE = Ranks()

# Held-out pairs that a validation looks at, spread over all of them.
VALIDATION_PAIRS = 24
# How much what a network says of the noise counts beside what it makes of the picture.
NOISE_WEIGHT = 0.1
# How much prefiltered guides count, in squares of strangeness.
GUIDES_WEIGHT = 0.5
# The variance of target and input, of a hidden pixel, over that of two renders.
HIDDEN_NOISE = (1 + float((noise2self.AROUND**2).sum())) / 2
# So that what is bounded doesn't run against its bounds, where nothing is learned any more.
STRAIN_WEIGHT = 0.0003
# How many times brighter a target's pixel may be where light is summed up over squares.
OF_SQUARES = 4

# From a network's output for a batch: the loss, which is reported, and what is added to it for the gradient.
Objective = Callable[[Output, Batch, float], tuple[Tensor, Tensor]]


@dataclass
class State:
    """What a training run is made of between two steps; `in_full` is the network as all ranks train it."""

    network: Denoising
    averaged: Denoising
    optimizer: torch.optim.Optimizer
    in_full: Callable[[Tensor, Tensor], Output]
    ranks: Ranks
    step: int = 0
    seconds: float = 0.0


def train(
    settings: TrainSettings, pairs: Sequence[View], out: Path, *, report: Callable[[Report], None]
) -> None:
    """Train on noisy pairs and write a model to `out`; goes on from `state_path(out)` where there is one.

    Under torchrun all ranks learn together, each from its share of every batch; the first one reports,
    validates and writes.

    Raises:
        UsageError: the loss isn't safe for noisy targets, or another setting is impossible.
        TrainingError: the pairs don't fit, or the loss is no longer a number, or rose and stays up.
        ModelError: a file can't be read or written.
    """
    losses.find(settings.loss, is_target_noisy=True)
    device = ranks.own(engine.choose_device(settings.device))
    trained, held_out = dataset.split(pairs, settings.held_out, by_view=settings.patience > 0)
    began_with = checkpoint.load_model(settings.init).card if settings.init else {}
    if ranks.mine().count > 1 and settings.patience:
        raise UsageError("train: several ranks can't stop early together; use --patience 0, or one process")
    if ranks.mine().count > 1 and out.exists() and first_step(out) == settings.steps:
        return  # one that failed at its end was started again, and maybe nobody else is there to join
    with ranks.joined(device) as together:
        state = start(settings, state_path(out), device, together)
        steps = _learn(state, trained, settings, device)
        if together.rank:
            deque(steps, maxlen=0)
            return
        best = finetuning.Best(run_folder(out) / "best.safetensors", state.step)
        with Journal(run_folder(out), state.step) as journal:
            for now in steps:
                is_last = now.step == settings.steps
                if is_last or not now.step % settings.validate_every:
                    scores = validate(state.averaged, held_out, device)
                    now = replace(now, relmse=scores.get("relmse"), psnr=scores.get("psnr"))
                journal.write(now, learning_rate(now.step - 1, settings))
                report(now)
                if is_last or not now.step % settings.save_every:
                    save(state, settings, state_path(out))
                if settings.patience and now.relmse is not None:
                    best.look(now.step, now.relmse, state.averaged)
                    if best.validations_since >= settings.patience:
                        break
        if settings.patience:
            best.restore(state.averaged)
        card = _card(settings, trained, held_out, state.seconds, began_with)
        checkpoint.save_model(out, state.averaged, card)


def _learn(
    state: State, pairs: Sequence[View], settings: TrainSettings, device: torch.device
) -> Iterator[Report]:
    """Step by step to the last.

    Raises:
        TrainingError: the loss is no longer a number, or rose and stays up.
    """
    loss, watch = losses.find(settings.loss, is_target_noisy=True), Watch()
    objective = weighted(loss, settings)
    for batch in batches(pairs, settings, state):
        value, seconds = update(state, batch, objective, settings, device)
        watch.look(state.step, value)
        yield Report(state.step, value, settings.batch / seconds)


class Watch:
    """Notices a training that blew up, so that it doesn't waste its hours: losses that rise and stay up."""

    WINDOW = 200
    # Medians of windows differ by a third from chance, by a factor of 20 when a network falls apart.
    MOST = 6.0

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._best = math.inf

    def look(self, step: int, loss: float) -> None:
        """Take note of a step's loss.

        Raises:
            TrainingError: the median of the last window is far above the lowest of those before.
        """
        self._losses.append(loss)
        if len(self._losses) < self.WINDOW:
            return
        median = statistics.median(self._losses)
        if median > self.MOST * self._best:
            rose = f"rose from {self._best:.3g} to {median:.3g} and stays there"
            raise TrainingError(f"step {step}: the loss {rose}; lower --learning-rate and start again")
        self._best = min(self._best, median)
        self._losses.clear()


def start(settings: TrainSettings, resume_from: Path, device: torch.device, together: Ranks = ALONE) -> State:
    """A fresh state, or the one in `resume_from` if there is such a file.

    Raises:
        UsageError: a batch can't be shared equally by the ranks.
        TrainingError: that file is of a run with another network, seed or batch, or the model to start
            from is of another network.
        ModelError: there is no such model to start from.
    """
    if settings.batch % together.count:
        raise UsageError(f"train: --batch {settings.batch}: {together.count} ranks can't share it equally")
    torch.manual_seed(settings.seed)
    network = _built(settings)
    if settings.init and not resume_from.exists():
        _take_over(network, settings)
    state = begin(network, settings, device, together)
    if resume_from.exists():
        _restore(state, settings, resume_from)
    together.agree(state.step)
    return state


def begin(
    network: Denoising, settings: TrainSettings, device: torch.device, together: Ranks = ALONE
) -> State:
    """The state before the first step of training this network, which moves to the device."""
    network = _on(device, network).train()
    averaged = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    if settings.compile:
        network.hasten()
    return State(network, averaged, optimizer, ranks.in_full(network, together), together)


def _built(settings: TrainSettings) -> Denoising:
    try:
        return networks.build(settings.network, settings.recipe)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"train: --widths {settings.widths}: no sizes of a {settings.network}; leave it out, or give "
            "four, as 24,32,48,64, to a kpn or hybrid"
        ) from error


def _take_over(network: Denoising, settings: TrainSettings) -> None:
    given = checkpoint.load_model(settings.init).network
    if type(given) is not type(network) or not network.take_over(given):
        name, sizes = type(given).__module__.rsplit(".", 1)[-1], given.recipe.get("widths", [])
        flags = f"--network {name}" + (f" --widths {','.join(map(str, sizes))}" if sizes else "")
        raise TrainingError(
            f"--init {settings.init}: can't become a {settings.network} of these sizes; give {flags}, "
            f"{'or fewer channels, ' if sizes else ''}or another model"
        )


def update(
    state: State, batch: Batch, objective: Objective, settings: TrainSettings, device: torch.device
) -> tuple[float, float]:
    """One step of AdamW and of the averaged weights; the loss before it and the seconds it took.

    Raises:
        TrainingError: the loss is NaN or infinite.
    """
    start = time.perf_counter()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings)
    batch = batch.to(device)
    with engine.precision(device):
        output = state.in_full(batch.color, batch.guides)
    if settings.target == "self":
        output = judged_only(output, batch)
    value, beside = objective(output, batch, state.step / settings.steps)
    everywhere = float(state.ranks.mean(value).item())
    if not math.isfinite(everywhere):
        raise TrainingError(
            f"step {state.step}: the loss is {everywhere}; lower --learning-rate and start again"
        )
    state.optimizer.zero_grad(set_to_none=True)
    (value + beside).backward()
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.clip)
    if torch.isfinite(norm):
        state.optimizer.step()
    else:
        log.warning("step %d: the gradient is %s; this batch is passed over", state.step, norm.item())
    state.step += 1
    _average(state, settings.ema)
    seconds = time.perf_counter() - start
    state.seconds += seconds
    return everywhere, seconds


def judged_only(output: Output, batch: Batch) -> Output:
    """The output, but the target where it isn't judged.

    What is judged was hidden: there the input is the mean of its neighbours, and what is said of the noise is
    made to fit.
    """
    estimate = torch.where(batch.judged, output.estimate, batch.target.to(output.estimate))
    noise, strain = output.noise, output.strain
    return output._replace(
        estimate=estimate,
        noise=None if noise is None else torch.where(batch.judged, noise * HIDDEN_NOISE, 1.0),
        strain=None if strain is None else strain / noise2self.PHASES,  # as the mean over all pixels is
        guides=None,  # there is no other render of them
    )


def weighted(loss: losses.Loss, settings: TrainSettings) -> Objective:
    """The loss by caution, of the estimate as the engine gives its light back, against a target without
    fireflies; or as the batch weighs its values. Beside it the light of squares, the noise, the
    guides and the strain."""

    def objective(output: Output, batch: Batch, done: float) -> tuple[Tensor, Tensor]:
        estimate, target, in_squares = output.estimate.float(), batch.target, batch.target
        weight = batch.weight
        if weight is None:
            estimate, known = relighting.relit(batch.color, estimate), noise_of(output, batch)
            likely = losses.probable(batch.color, batch.guides, known, batch.witness)
            weight = losses.caution(estimate, likely)
            target, in_squares = (
                losses.tamed(batch.target, estimate, likely, factor * settings.firefly_limit)
                for factor in (1, OF_SQUARES)
            )
        of_squares = settings.means_weight * losses.of_means(estimate, in_squares, batch.color)
        return loss(estimate, target, weight, done=done), of_squares + _beside(output, batch)

    return objective


def _beside(output: Output, batch: Batch) -> Tensor:
    """What a network says of the noise and the guides, and its strain, as far as it has them."""
    total = output.estimate.new_zeros(())
    if output.noise is not None:
        of_noise = losses.of_noise(output.noise, batch.color, batch.target, batch.target_noise)
        total = total + NOISE_WEIGHT * of_noise
    if output.guides is not None:
        total = total + GUIDES_WEIGHT * losses.of_guides(output.guides, batch.target_guides)
    if output.strain is not None:
        total = total + STRAIN_WEIGHT * output.strain
    return total


def noise_of(output: Output, batch: Batch) -> Tensor:
    """The variance of the input's noise in tones: as the network has it, or else as its kin tell it."""
    if output.noise is not None:
        return output.noise.detach()
    tone = encoding.tone_map(batch.color)
    return affinity.noise(tone, affinity.kin(tone, batch.guides))


def learning_rate(step: int, settings: TrainSettings) -> float:
    """One cycle: linear warm-up over the first twentieth, then half a cosine down to a thousandth.

    A function of the step alone, so that a resumed run needs no scheduler's state.
    """
    warm = max(settings.steps // 20, 1)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / max(settings.steps - warm, 1)
    return settings.learning_rate * (
        0.001 + 0.999 * 0.5 * (1 + float(torch.cos(torch.tensor(done * torch.pi))))
    )


def validate(network: Denoising, pairs: Sequence[View], device: torch.device) -> dict[str, float]:
    """relMSE (geometric mean) and PSNR (mean) of one half denoised against the other, noisy half; of single
    renders by their hidden pixels.

    The other half's own variance is part of these numbers: they rank models, they aren't errors.
    """
    relmse, psnr = [], []
    for pair in pairs[:: max(-(-len(pairs) // VALIDATION_PAIRS), 1)]:
        clean, other = _compared(network, pair, device)
        if not other.any():
            continue  # black on black has no error, whose logarithm would be endless
        relmse.append(metrics.relmse(clean, other))
        psnr.append(metrics.psnr(clean, other))
    return {"relmse": metrics.geometric_mean(relmse), "psnr": float(np.mean(psnr))} if relmse else {}


def _compared(network: Denoising, view: View, device: torch.device) -> tuple[Plane, Plane]:
    """What a network makes of a render, and what to hold against it, h w 3."""

    def denoise(frame: Frame) -> Frame:
        return engine.denoise_all(network, frame, device=device)

    if len(view.renders) == 1:
        return noise2self.hidden_pixels(denoise, view.frame(0))
    return denoise(view.frame(0)).color, view.frame(1).color


def save(state: State, settings: TrainSettings, path: Path) -> None:
    """Write all that a resumed run needs.

    Raises:
        ModelError: the file can't be written.
    """
    tensors = {f"network.{key}": value for key, value in state.network.state_dict().items()}
    tensors |= {f"averaged.{key}": value for key, value in state.averaged.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{key}": value for key, value in moments.items()}
    about = {
        "version": checkpoint.VERSION,
        "step": state.step,
        "seconds": state.seconds,
        "settings": asdict(settings),
    }
    checkpoint.write(path, {key: value.detach().cpu().contiguous() for key, value in tensors.items()}, about)


def run_folder(out: Path) -> Path:
    """Where the log, the TensorBoard events and the training state of a model go: `model.run/`."""
    return out.with_suffix(".run")


def state_path(out: Path) -> Path:
    """Where the training state goes."""
    return run_folder(out) / "state.safetensors"


def first_step(out: Path) -> int:
    """Where a run that writes `out` would go on: 0, or the step of its saved state.

    Raises:
        ModelError: the saved state is damaged.
    """
    path = state_path(out)
    return int(_read_state(path)[1]["step"]) if path.exists() else 0


def batches(pairs: Sequence[View], settings: TrainSettings, state: State) -> Iterator[Batch]:
    """This rank's share of the batches still to go, each cut while the one before it is learned from."""
    cut = dataset.Cut(
        settings.crop, settings.batch, settings.seed, part=state.ranks.rank, parts=state.ranks.count,
        is_single=settings.target == "self",
    )  # fmt: skip
    steps_to_go = settings.steps - state.step
    source = dataset.batches(pairs, cut, first_step=state.step, workers=settings.workers)
    if settings.workers:
        yield from itertools.islice(source, steps_to_go)
        return
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(next, source)
        for left in range(steps_to_go, 0, -1):
            batch = following.result()
            if left > 1:
                following = ahead.submit(next, source)
            yield batch


def _card(
    settings: TrainSettings,
    trained: Sequence[View],
    held_out: Sequence[View],
    seconds: float,
    began_with: Mapping[str, Any],
) -> dict[str, Any]:
    """How a model came about; stays in its file."""
    return {
        "settings": asdict(settings),
        "pairs": len(trained),
        "pairs_by_spp": Counter(str(pair.spps[0]) for pair in trained),
        "extra_renders_by_spp": Counter(str(spp) for pair in trained for spp in pair.spps[2::2]),
        "pairs_by_filter": Counter(pair.filter for pair in trained),
        "scenes": sorted({pair.scene for pair in trained}),
        "held_out_scenes": sorted({pair.scene for pair in held_out}),
        "hours": seconds / 3600,
        "began_with": dict(began_with),
        "torch": torch.__version__,
    }


@torch.no_grad()
def _average(state: State, keep: float) -> None:
    """Exponential moving average of the weights, with a shorter memory in the first steps; of statistics of
    batches, which move slowly already, the last."""
    keep = min(keep, (1 + state.step) / (10 + state.step))
    for average, value in zip(state.averaged.parameters(), state.network.parameters(), strict=True):
        average.lerp_(value, 1 - keep)
    for last, statistic in zip(state.averaged.buffers(), state.network.buffers(), strict=True):
        last.copy_(statistic)


def _on(device: torch.device, network: Denoising) -> Denoising:
    """On the device, in the memory layout that its convolutions are fastest in."""
    moved: Denoising = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, about = checkpoint.read(path)
    if "step" not in about:
        raise ModelError(f"{path}: no state of a training; remove it, or give another -o")
    return tensors, about


def _restore(state: State, settings: TrainSettings, path: Path) -> None:
    tensors, about = _read_state(path)
    for name in ("network", "widths", "seed", "batch", "crop", "held_out", "target"):
        was = about["settings"].get(name, "")  # older ones had no widths
        if was != getattr(settings, name):
            raise TrainingError(f"{path}: was trained with {name} = {was}; give that, "
                                "or another -o to start afresh")  # fmt: skip
    state.network.load_state_dict(_under(tensors, "network."))
    state.averaged.load_state_dict(_under(tensors, "averaged."))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "adam.").items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = value
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
    state.step, state.seconds = int(about["step"]), float(about["seconds"])
    if state.step > settings.steps:
        raise TrainingError(f"{path}: is at step {state.step} already; ask for more --steps than that")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
