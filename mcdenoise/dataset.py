"""Pairs -> endless batches of crops: both directions, turns, exposures, missing guides, all from a seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import encoding, exr
from mcdenoise.errors import McdenoiseError, TrainingError
from mcdenoise.frame import GUIDES, Frame, Plane


@dataclass(frozen=True)
class Pair:
    """Two independent renders of one view, in memory; guides are kept in half precision."""

    scene: str
    name: str
    halves: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
    # As the renderer declared them; for the card of a model.
    spp: int = 0
    filter: str = "unknown"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.halves[0]["color"].shape[:2]
        return height, width


@dataclass(frozen=True)
class Batch:
    """What one training step sees, all n c h w and in one exposure per item."""

    color: Float[Tensor, "n 3 h w"]
    guides: Float[Tensor, "n g h w"]
    target: Float[Tensor, "n 3 h w"]


@dataclass(frozen=True)
class Cut:
    """How crops are cut and varied."""

    crop: int
    batch: int
    seed: int
    # The chance that a guide is hidden, so that one model serves frames with any subset of guides.
    guide_dropout: float = 0.1
    # Exposure is varied by up to so many stops up and down.
    stops: float = 3.0


def load(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> tuple[list[Pair], list[str]]:
    """All pairs `NAME.a.exr`, `NAME.b.exr` below `folder`, and a line for each that can't be trained on.

    Raises:
        TrainingError: there is no folder, or no sound pair in it.
    """
    if not folder.is_dir():
        raise TrainingError(
            f"{folder}: no such folder; make pairs with: mcdenoise render SCENE.xml -o {folder}"
        )
    firsts = sorted(folder.rglob("*.a.exr"))
    pairs: list[Pair] = []
    wrong: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done, result in enumerate(pool.map(_load_pair, firsts), 1):
            if isinstance(result, Pair):
                pairs.append(result)
            else:
                wrong.append(result)
            if progress:
                progress(done, len(firsts))
    if not pairs:
        raise TrainingError(f"{folder}: no pair to train on; {'; '.join(wrong[:3]) or 'no NAME.a.exr there'}")
    return pairs, wrong


def split(pairs: Sequence[Pair], share: float) -> tuple[list[Pair], list[Pair]]:
    """Training and held-out pairs, disjoint by scene; of two scenes or more, a `share` above 0 holds out one
    at least and leaves one at least."""
    scenes = sorted({pair.scene for pair in pairs})
    is_shared = len(scenes) > 1 and share > 0
    count = min(max(round(share * len(scenes)), 1), len(scenes) - 1) if is_shared else 0
    # Spread evenly over the names, so that each kind of scene is held out.
    held = {scenes[int((number + 0.5) * len(scenes) / count)] for number in range(count)}
    return [p for p in pairs if p.scene not in held], [p for p in pairs if p.scene in held]


def batches(pairs: Sequence[Pair], cut: Cut, *, first_step: int = 0) -> Iterator[Batch]:
    """One batch per step, for ever; a step's batch depends on the seed and its number only, so that a resumed
    run sees what an uninterrupted one would have.

    Raises:
        TrainingError: a pair is smaller than a crop.
    """
    smallest = min(pairs, key=lambda pair: min(pair.size))
    if min(smallest.size) < cut.crop:
        raise TrainingError(
            f"{smallest.name}: {smallest.size} is smaller than a crop; use --crop or leave it out"
        )
    step = first_step
    while True:
        chance = np.random.default_rng([cut.seed, step])
        chosen = chance.integers(len(pairs), size=cut.batch)
        items = [_item(pairs[index], cut, chance) for index in chosen]
        yield Batch(*(torch.cat(parts) for parts in zip(*items, strict=True)))
        step += 1


def _load_pair(first: Path) -> Pair | str:
    second = first.with_name(first.name.removesuffix(".a.exr") + ".b.exr")
    try:
        a, b = exr.read_frame(first), exr.read_frame(second)
    except McdenoiseError as error:
        return str(error)
    wrong = _what_is_wrong(a, b)
    if wrong:
        return f"{first}: {wrong}"
    scene = str(a.attributes.get("mcdenoise.scene", first.name.split(".")[0]))
    return Pair(
        scene,
        first.name.removesuffix(".a.exr"),
        (_compact(a), _compact(b)),
        spp=int(a.attributes.get("mcdenoise.spp", 0)),
        filter=str(a.attributes.get("mcdenoise.filter", "unknown")),
    )


def _what_is_wrong(a: Frame, b: Frame) -> str:
    if a.size != b.size:
        return f"its halves differ in size: {a.size} and {b.size}"
    if "mcdenoise.seed" in a.attributes and a.attributes["mcdenoise.seed"] == b.attributes.get(
        "mcdenoise.seed"
    ):
        return "both halves have the same seed, so the noise is the same"
    if np.array_equal(a.color, b.color) and a.color.any():
        return "both halves have the same pixels; render them with different seeds"
    if not isinstance(a.attributes.get("mcdenoise.spp", 0), int | float):
        return f"its mcdenoise.spp is no number but {a.attributes['mcdenoise.spp']!r}"
    if not (np.isfinite(a.color).all() and np.isfinite(b.color).all()):
        return "NaN or Inf in color; a target must be finite"
    return ""


def _compact(frame: Frame) -> dict[str, np.ndarray]:
    types = {"color": np.float32, "albedo": np.float16, "normal": np.float16, "depth": np.float32}
    return {name: frame.planes[name].astype(types[name]) for name in types if name in frame.planes}


def _item(pair: Pair, cut: Cut, chance: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Color, guides and target of one crop."""
    one, other = pair.halves if chance.integers(2) else pair.halves[::-1]
    y, x = (int(chance.integers(extent - cut.crop + 1)) for extent in pair.size)
    window = (slice(y, y + cut.crop), slice(x, x + cut.crop))
    planes = {name: plane[window].astype(np.float32) for name, plane in one.items()}
    planes["target"] = other["color"][window]
    planes = _varied(_without_some_guides(planes, cut, chance), chance)
    # The exposure comes from the input alone: a factor that depended on the target would bias its mean.
    scale = encoding.exposure(planes["color"]) * 2 ** chance.uniform(-cut.stops, cut.stops)
    color, target = (encoding.expose(planes[name], scale) for name in ("color", "target"))
    size = (cut.crop, cut.crop)
    return tuple(encoding.tensor(p) for p in (color, encoding.guides(planes, size), target))  # type: ignore[return-value]


def _without_some_guides(planes: dict[str, Plane], cut: Cut, chance: np.random.Generator) -> dict[str, Plane]:
    hide_all, *hide = chance.uniform(size=1 + len(GUIDES)) < cut.guide_dropout
    hidden = {name for name, is_hidden in zip(GUIDES, hide, strict=True) if is_hidden or hide_all}
    return {name: plane for name, plane in planes.items() if name not in hidden}


def _varied(planes: dict[str, Plane], chance: np.random.Generator) -> dict[str, Plane]:
    """Turned and mirrored alike; colours permuted alike; normals in some basis, left- or right-handed."""
    turns, mirrored = int(chance.integers(4)), bool(chance.integers(2))
    permutation, basis = chance.permutation(3), _basis(chance)
    varied = {}
    for name, plane in planes.items():
        plane = np.rot90(plane[:, ::-1] if mirrored else plane, turns)
        if name == "normal":
            plane = plane @ basis
        elif plane.shape[-1] == 3:
            plane = plane[..., permutation]
        varied[name] = np.ascontiguousarray(plane)
    return varied


def _basis(chance: np.random.Generator) -> np.ndarray:
    """A random orthogonal matrix (3 3), uniform over turns and reflections."""
    q, r = np.linalg.qr(chance.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.diag(r)), np.float32)
