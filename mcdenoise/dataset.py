"""Pairs -> endless batches of crops: both directions, turns, exposures, missing guides, all from a seed.

A pair is two independent renders of one view, `a` and `b`; where there are `c`, `d` and more, any of them are
the input together, one may be a witness, and all others the target.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mcdenoise import encoding, noise2self, patterns, shards, views
from mcdenoise.errors import McdenoiseError, TrainingError
from mcdenoise.frame import GUIDES, Plane
from mcdenoise.views import View

# Painting over: how many colours, how far apart the albedos that get one or another, what counts as black,
# and how much darker or brighter a channel becomes at most.
SHADES, STOPS_A_SHADE, DARKEST, MOST_PAINT = 8, 1.2, 0.04, 6.0
# By how many stops another view, seen through a mask, is brighter or darker at most.
MIXED_STOPS = 5.0
# The deviation of noise in guides, at most.
GUIDE_NOISE = 0.25


@dataclass(frozen=True)
class Batch:
    """What one training step sees, all n c h w and in one exposure per item.

    `target_noise` is the variance of the target's noise over that of the input's, by their samples. `witness`
    is a cleaner render than the input, independent of it and of the target: weights may be made of it. NaN
    where there is none. `target_guides` are the guides of the target's renders, `judged` the pixels that are
    compared: all, or those hidden in the color. `weight` is how much each value of the target counts; None:
    as the trainer finds.
    """

    color: Float[Tensor, "n 3 h w"]
    guides: Float[Tensor, "n g h w"]
    target: Float[Tensor, "n 3 h w"]
    target_noise: Float[Tensor, "n 1 1 1"]
    witness: Float[Tensor, "n 3 h w"]
    target_guides: Float[Tensor, "n g h w"]
    judged: Bool[Tensor, "n 1 h w"]
    weight: Float[Tensor, "n 3 h w"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return replace(
            self, **{name: part.to(device) for name, part in vars(self).items() if part is not None}
        )


@dataclass(frozen=True)
class Cut:
    """How crops are cut and varied."""

    crop: int
    batch: int
    seed: int
    # The chance that a guide is hidden, so that one model serves frames with any subset of guides.
    guide_dropout: float = 0.2
    # The chance that guides are the same all over a part of a crop.
    guide_blindness: float = 0.25
    # The chance that surfaces are painted over, each in one colour, as most are in modelled rooms.
    repainting: float = 0.3
    # The chance that another view shows through a grating or a hole: thin edges of any contrast.
    mixing: float = 0.25
    # The chance that the input's albedo and normals are noisy, as out of focus or where samples are few.
    guide_noise: float = 0.15
    # Exposure is varied by up to so many stops up and down.
    stops: float = 2.0
    # Which of so many equal parts of every batch is made: a rank's share.
    part: int = 0
    parts: int = 1
    # Every render is its own target: some of its pixels are hidden in the input, and only they are compared.
    is_single: bool = False

    @classmethod
    def plain(cls, crop: int, batch: int, seed: int, *, repainting: float) -> "Cut":
        """Crops as the view is: with all its guides as they are, in its own exposure."""
        return cls(
            crop, batch, seed, guide_dropout=0.0, guide_blindness=0.0, repainting=repainting, mixing=0.0,
            guide_noise=0.0, stops=0.0,
        )  # fmt: skip


def load(
    folder: Path,
    second: Path | None = None,
    *,
    are_single: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[View], list[str]]:
    """All views in shards below `folder`, or else all sound pairs of EXR files, read into memory; with a
    second folder, pairs of files that have the same path in both. Single renders are views of their own.

    Also returns a line for each pair, or single render, that can't be trained on.

    Raises:
        TrainingError: there is no folder, no sound pair in it, or a damaged shard.
    """
    packed = sorted(folder.rglob(f"*{shards.SUFFIX}"))
    if packed and not second:
        stored = [view for path in packed for view in shards.read(path)]
        return [one for view in stored for one in views.apart(view)] if are_single else stored, []
    found = views.find_single(folder) if are_single else views.find(folder, second)
    sound: list[View] = []
    wrong: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done, result in enumerate(pool.map(_read, found), 1):
            if isinstance(result, View):
                sound.append(result)
            else:
                wrong.append(result)
            if progress:
                progress(done, len(found))
    if not sound:
        raise TrainingError(f"{folder}: no pair to train on; {'; '.join(wrong[:3])}")
    return sound, wrong


def split(pairs: Sequence[View], share: float, *, by_view: bool = False) -> tuple[list[View], list[View]]:
    """Training and held-out pairs, disjoint by scene; of two scenes or more, a `share` above 0 holds out one
    at least and leaves one at least. Views of a single scene are all trained on, or, `by_view`, split too."""
    scenes = sorted({pair.scene for pair in pairs})
    if by_view and len(scenes) == 1:
        named = [replace(pair, scene=pair.name) for pair in pairs]
        trained, held_out = ({pair.name for pair in part} for part in split(named, share))
        return [p for p in pairs if p.name in trained], [p for p in pairs if p.name in held_out]
    is_shared = len(scenes) > 1 and share > 0
    count = min(max(round(share * len(scenes)), 1), len(scenes) - 1) if is_shared else 0
    # Spread evenly over the names, so that each kind of scene is held out.
    held = {scenes[int((number + 0.5) * len(scenes) / count)] for number in range(count)}
    return [p for p in pairs if p.scene not in held], [p for p in pairs if p.scene in held]


class Batches(Dataset[Batch]):
    """A batch for each step; it depends on the seed and the step only, so that a resumed run sees what an
    uninterrupted one would have.

    Raises:
        TrainingError: a pair is smaller than a crop.
    """

    def __init__(self, pairs: Sequence[View], cut: Cut) -> None:
        smallest = min(pairs, key=lambda pair: min(pair.size))
        if min(smallest.size) < cut.crop:
            raise TrainingError(
                f"{smallest.name}: {smallest.size} is smaller than a crop; use --crop or leave it out"
            )
        self._pairs, self._cut = pairs, cut
        self._alike: dict[tuple[Any, ...], list[View]] = {}
        for pair in pairs:
            self._alike.setdefault(_kind(pair), []).append(pair)

    def __getitem__(self, step: int) -> Batch:
        chance = np.random.default_rng([self._cut.seed, step])
        chosen = chance.integers(len(self._pairs), size=self._cut.batch)
        # All are drawn, so that a share is the same whoever makes the others.
        drawn = [self._draw(self._pairs[index], chance) for index in chosen]
        share = self._cut.batch // self._cut.parts
        first = self._cut.part * share
        items = [_item(pair, self._cut.crop, draw) for pair, draw in drawn[first : first + share]]
        batch = Batch(*(torch.cat(parts) for parts in zip(*items, strict=True)))
        return _with_hidden(batch, int(chance.integers(noise2self.PHASES))) if self._cut.is_single else batch

    def _draw(self, pair: View, chance: np.random.Generator) -> tuple[View, "_Draw"]:
        draw, others = _drawn(pair, self._cut, chance), self._alike[_kind(pair)]
        if chance.uniform() < self._cut.mixing and not self._cut.is_single:
            draw = replace(draw, mix=_mix(others, self._cut.crop, chance))
        if chance.uniform() < self._cut.guide_noise:
            noise = float(chance.uniform(0, GUIDE_NOISE)), int(chance.integers(2**32))
            draw = replace(draw, guide_noise=noise)
        return pair, draw


def batches(pairs: Sequence[View], cut: Cut, *, first_step: int = 0, workers: int = 0) -> Iterator[Batch]:
    """One batch per step, for ever, made by so many processes ahead of their use; 0: by the caller.

    Raises:
        TrainingError: a pair is smaller than a crop.
    """
    made, steps = Batches(pairs, cut), itertools.count(first_step)
    if not workers:
        return (made[step] for step in steps)
    return iter(DataLoader(made, batch_size=None, sampler=steps, num_workers=workers))


def _read(files: views.Files) -> View | str:
    try:
        view, faults = views.read(files)
    except McdenoiseError as error:
        return str(error)
    if not faults and len(view.renders) == 1 and (fault := noise2self.fault(view.frame(0))):
        faults = [fault]
    return f"{files.paths[0]}: {'; '.join(faults)}" if faults else view


def _with_hidden(batch: Batch, phase: int) -> Batch:
    height, width = batch.color.shape[-2:]
    hidden = torch.from_numpy(noise2self.mask((height, width), phase))
    return replace(batch, color=noise2self.masked(batch.color, hidden), judged=hidden.expand_as(batch.judged))


@dataclass(frozen=True)
class _Draw:
    """What chance decides of one item."""

    chosen: list[int]
    witnesses: list[int]
    rest: list[int]
    window: tuple[slice, slice]
    hidden: set[str]
    blind: tuple[slice, slice, bool] | None
    turns: int
    is_mirrored: bool
    permutation: np.ndarray
    basis: np.ndarray
    stops: float
    paint: "_Paint | None"
    mix: "_Mix | None" = None
    # Its deviation, and where its chance starts.
    guide_noise: tuple[float, int] | None = None


@dataclass(frozen=True)
class _Mix:
    """Another view, what of it is seen, where it is open, and by how many stops it is brighter."""

    view: View
    window: tuple[slice, slice]
    mask: np.ndarray
    stops: float


def _kind(pair: View) -> tuple[Any, ...]:
    """Views that have it in common have the same planes, and renders with as many samples."""
    return pair.spps, pair.has_clean, tuple(sorted(pair.renders[0]))


def _mix(views_: Sequence[View], crop: int, chance: np.random.Generator) -> _Mix:
    view = views_[int(chance.integers(len(views_)))]
    window = _window(view, crop, chance)
    return _Mix(view, window, patterns.mask(crop, chance), float(chance.uniform(-MIXED_STOPS, MIXED_STOPS)))


def _window(pair: View, crop: int, chance: np.random.Generator) -> tuple[slice, slice]:
    y, x = (int(chance.integers(extent - crop + 1)) for extent in pair.size)
    return slice(y, y + crop), slice(x, x + crop)


def _drawn(pair: View, cut: Cut, chance: np.random.Generator) -> _Draw:
    """Always in this order: another one would be another training."""
    chosen, witnesses, rest = _roles(pair, chance)
    window = _window(pair, cut.crop, chance)
    return _Draw(
        chosen=chosen, witnesses=witnesses, rest=rest,
        window=window,
        hidden=_hidden(cut, chance),
        blind=_blind(cut, chance),
        turns=int(chance.integers(4)), is_mirrored=bool(chance.integers(2)),
        permutation=chance.permutation(3), basis=_basis(chance),
        stops=float(chance.uniform(-cut.stops, cut.stops)),
        paint=_paint(cut, chance),
    )  # fmt: skip


def _item(pair: View, crop: int, draw: _Draw) -> tuple[Tensor, ...]:
    """The parts of a batch from one crop."""
    _prefetch(pair, draw, draw.window[0])
    if draw.mix:
        _prefetch(draw.mix.view, draw, draw.mix.window[0])
    planes, others = _seen(pair, draw.window, draw)
    # The exposure comes from the input alone: a factor that depended on the target would bias its mean. And
    # from the whole view, as a frame's does: a crop may be all window.
    exposure = _exposure(pair, draw)
    if draw.mix:
        beyond = _seen(draw.mix.view, draw.mix.window, draw)
        brighter = _exposure(draw.mix.view, draw) / exposure * 2**draw.mix.stops
        for name in ("color", "target", "witness"):
            beyond[0][name] *= np.float32(brighter)
        planes, others = (
            _through(*both, draw.mix.mask) for both in zip((planes, others), beyond, strict=True)
        )
    if draw.paint and "albedo" in planes:
        _repaint(planes, others, draw.paint)
    if draw.guide_noise:
        _add_noise(planes, *draw.guide_noise)
    planes = _varied(_blinded(planes, draw.blind), draw)
    others = _varied(_blinded(others, draw.blind), draw)
    colors = [
        encoding.expose(planes[name], exposure * 2**draw.stops) for name in ("color", "target", "witness")
    ]
    middle = encoding.middle_depth(planes["depth"]) if "depth" in planes else None
    given, seen = (encoding.guides(part, (crop, crop), middle) for part in (planes, others))
    samples = _samples(pair, draw.chosen).sum() / _samples(pair, draw.rest).sum()
    noise = torch.full((1, 1, 1, 1), samples)
    color, goal, witness = (encoding.tensor(plane) for plane in colors)
    judged = torch.ones(1, 1, crop, crop, dtype=torch.bool)
    return color, encoding.tensor(given), goal, noise, witness, encoding.tensor(seen), judged


def _seen(
    pair: View, window: tuple[slice, slice], draw: _Draw
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A window of the input, the target and the witness (NaN: there is none); and the target's guides."""
    chosen, witnesses, rest = draw.chosen, draw.witnesses, draw.rest
    shown = _shown(pair, draw)
    planes = {name: _mean(pair, chosen, name, window) for name in shown}
    planes["target"] = _mean(pair, rest, "color", window)
    planes["witness"] = _mean(pair, witnesses, "color", window) if witnesses else planes["target"] * np.nan
    return planes, {name: _mean(pair, rest, name, window) for name in shown if name != "color"}


def _exposure(pair: View, draw: _Draw) -> float:
    whole = _mean(pair, draw.chosen, "color", (slice(None), slice(None)))
    return pair.exposure or encoding.exposure(whole)


def _through(
    planes: dict[str, np.ndarray], beyond: dict[str, np.ndarray], mask: np.ndarray
) -> dict[str, np.ndarray]:
    """What a pixel shows of both views, by the share of it that is open."""
    return {name: plane + mask * (beyond[name] - plane) for name, plane in planes.items()}


def _roles(pair: View, chance: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
    """Which renders make up the input, which is the witness, and which are the target together.

    Of two cleaner renders than the input one is the witness, so that the other keeps the target clean.
    """
    if pair.has_clean:
        last = len(pair.renders) - 1
        return [int(chance.integers(last))], [], [last]
    if len(pair.renders) == 1:
        return [0], [], [0]
    order = [int(i) for i in chance.permutation(len(pair.renders))]
    # One render mostly, so that noise is learned from; more of them are a cleaner input.
    count = 1 if chance.uniform() < 0.75 else int(chance.integers(1, len(order)))
    chosen, rest = order[:count], order[count:]
    cleaner = [i for i in rest if _samples(pair, [i]).sum() > _samples(pair, chosen).sum()]
    if len(cleaner) < 2:
        return chosen, [], rest
    return chosen, cleaner[:1], [i for i in rest if i != cleaner[0]]


def _add_noise(planes: dict[str, np.ndarray], deviation: float, seed: int) -> None:
    chance = np.random.default_rng(seed)
    for name in ("albedo", "normal"):
        if name in planes:
            noise = chance.standard_normal(planes[name].shape, np.float32)
            planes[name] = planes[name] + np.float32(deviation) * noise


def _shown(pair: View, draw: _Draw) -> list[str]:
    return [name for name in pair.renders[0] if name not in draw.hidden]


def _prefetch(pair: View, draw: _Draw, rows: slice) -> None:
    """Ask for all that `_seen` and `_exposure` are about to read of a shard, so that the disk is waited for
    once."""
    taken = [(pair.renders[i][name], slice(None) if name == "color" and i in draw.chosen else rows)
             for i in (*draw.chosen, *draw.witnesses, *draw.rest) for name in _shown(pair, draw)]  # fmt: skip
    for plane, part in taken:
        if isinstance(plane, shards.StoredPlane):
            plane.prefetch(part)


def _mean(pair: View, chosen: Sequence[int], name: str, window: tuple[slice, slice]) -> Plane:
    """The mean over all samples of the chosen renders."""
    weights = _samples(pair, chosen)
    planes = [pair.renders[i][name][window] for i in chosen]
    return np.average(planes, axis=0, weights=weights).astype(np.float32)


def _samples(pair: View, chosen: Sequence[int]) -> np.ndarray:
    """Samples per pixel of the chosen renders; 1 each where the renderer didn't declare them."""
    return np.maximum(np.array([pair.spps[i] for i in chosen], np.float32), 1)


def _hidden(cut: Cut, chance: np.random.Generator) -> set[str]:
    """The guides that aren't shown."""
    hide_all, *hide = chance.uniform(size=1 + len(GUIDES)) < cut.guide_dropout
    return {name for name, is_hidden in zip(GUIDES, hide, strict=True) if is_hidden or hide_all}


def _blind(cut: Cut, chance: np.random.Generator) -> tuple[slice, slice, bool] | None:
    """A rectangle in which guides see nothing, and whether albedo is black there; at times."""
    if chance.uniform() >= cut.guide_blindness:
        return None
    (top, bottom), (left, right) = (np.sort(chance.integers(cut.crop + 1, size=2)) for _ in range(2))
    return slice(top, bottom), slice(left, right), bool(chance.uniform() < 0.5)


def _blinded(planes: dict[str, Plane], blind: tuple[slice, slice, bool] | None) -> dict[str, Plane]:
    """Guides that in a rectangle are what its middle is, or black, as on mirrors, lamps and black things: so
    equal guides are no proof of a plain surface."""
    if blind is None:
        return planes
    rows, columns, is_black = blind
    for name in GUIDES:
        if name in planes:
            height, width = planes[name].shape[:2]
            middle = planes[name][
                (rows.start + rows.stop) // 2 % height, (columns.start + columns.stop) // 2 % width
            ]
            planes[name][rows, columns] = 0 if is_black and name == "albedo" else middle.copy()
    return planes


@dataclass(frozen=True)
class _Paint:
    """Colours (shades 3) for surfaces by how light they are, and where the first shade begins, in stops."""

    colors: np.ndarray
    first: float


def _paint(cut: Cut, chance: np.random.Generator) -> _Paint | None:
    """One colour for all things, or a colour for each shade."""
    is_painted, is_alike = chance.uniform(size=2) < (cut.repainting, 0.5)
    colors = chance.uniform(0.05, 0.9, (SHADES, 1)) * chance.uniform(0.6, 1, (SHADES, 3))
    paint = _Paint(colors[:1] if is_alike else colors, float(chance.uniform()))
    return paint if is_painted else None


def _repaint(planes: dict[str, Plane], others: dict[str, Plane], paint: _Paint) -> None:
    """Paint over all that isn't nearly black: the light that a pixel sends is its albedo's share of what
    falls on it, about. What it is multiplied with depends on the input's albedo alone, and so leaves the
    target's noise with a mean of 0. As bright on the whole as before."""
    albedo = planes["albedo"].clip(0, 1)
    shade = np.log2(albedo.mean(-1) + DARKEST) / STOPS_A_SHADE + paint.first
    wanted = paint.colors[np.floor(shade).astype(int) % len(paint.colors)]
    share = (wanted / np.maximum(albedo, DARKEST)).clip(1 / MOST_PAINT, MOST_PAINT)
    share = np.where(albedo.max(-1, keepdims=True) > DARKEST, share, 1).astype(np.float32)
    overall = np.exp(np.log(share).mean())
    for name in ("color", "target", "witness"):
        planes[name] = planes[name] * (share / overall)
    planes["albedo"] = albedo * share
    others["albedo"] = others["albedo"] * share


def _varied(planes: dict[str, Plane], draw: _Draw) -> dict[str, Plane]:
    """Turned and mirrored alike; colours permuted alike; normals in some basis, left- or right-handed."""
    varied = {}
    for name, plane in planes.items():
        plane = np.rot90(plane[:, ::-1] if draw.is_mirrored else plane, draw.turns)
        if name == "normal":
            plane = plane @ draw.basis
        elif plane.shape[-1] == 3:
            plane = plane[..., draw.permutation]
        varied[name] = np.ascontiguousarray(plane)
    return varied


def _basis(chance: np.random.Generator) -> np.ndarray:
    """A random orthogonal matrix (3 3), uniform over turns and reflections."""
    q, r = np.linalg.qr(chance.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.diag(r)), np.float32)
