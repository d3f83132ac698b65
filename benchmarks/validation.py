"""The work of `benchmarks.quality`: pairs of a folder, each with the reference of its view."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcdenoise import exr
from mcdenoise.errors import FrameError, McdenoiseError, NoInputError
from mcdenoise.frame import Frame, Plane

REFERENCE_SPP = 256  # a half of at least so many is a reference, not work
# Header attribute -> its type: what pairs are grouped by.
ATTRIBUTES = {"scene": str, "view": int, "spp": int, "filter": str}


@dataclass(frozen=True)
class Pair:
    """Two independent renders of one view; `spp` is that of each half."""

    first: Path
    second: Path
    scene: str
    view: int
    spp: int
    filter: str
    seeds: frozenset[int]

    @property
    def view_key(self) -> tuple[str, int, str]:
        """Pairs with the same one show the same converged picture."""
        return self.scene, self.view, self.filter


@dataclass(frozen=True)
class Case:
    """A noisy pair and the reference to compare with."""

    pair: Pair
    reference: Pair

    @property
    def name(self) -> str:
        """Scene, view, total spp and filter, fit for a file name."""
        return f"{self.pair.scene}.v{self.pair.view:03d}.{2 * self.pair.spp}spp.{self.pair.filter}"


def cases(folder: Path, *, reference_spp: int = REFERENCE_SPP) -> tuple[list[Case], list[str]]:
    """All cases of `folder`, sorted by name, and a remark on each pair that was left out or is in doubt.

    A pair whose halves have `reference_spp` or more is a reference.

    Raises:
        NoInputError: there is no folder, or no case in it.
    """
    if not folder.is_dir():
        raise NoInputError(f"{folder}: no such folder; render pairs into it with `mcdenoise render`")
    pairs, remarks = _pairs(sorted(folder.rglob("*.a.exr")))
    found: list[Case] = []
    for key, group in itertools.groupby(
        sorted(pairs, key=lambda p: (p.view_key, p.spp)), lambda p: p.view_key
    ):
        *work, reference = group
        if reference.spp < reference_spp:
            remarks.append(f"{key[0]} view {key[1]} {key[2]}: no pair of {reference_spp} spp or more a half")
            continue
        found += [Case(pair, reference) for pair in work if pair.spp < reference_spp]
        remarks += [f"{pair.first.name}: shares a seed with its reference; render one with another --seed"
                    for pair in work if pair.seeds & reference.seeds]  # fmt: skip
    if not found:
        raise NoInputError(
            f"{folder}: no pair with a reference; {'; '.join(remarks) or 'no NAME.a.exr there'}"
        )
    return sorted(found, key=lambda case: case.name), remarks


def mean_frame(pair: Pair) -> Frame:
    """The mean of both halves, all planes: what a user would denoise, at twice the halves' spp."""
    first, second = exr.read_frame(pair.first), exr.read_frame(pair.second)
    both = [name for name in first.planes if name in second.planes]
    planes = {name: (first.planes[name] + second.planes[name]) / np.float32(2) for name in both}
    return Frame(planes, {**first.attributes, "mcdenoise.spp": 2 * pair.spp})


def reference_halves(case: Case) -> tuple[Plane, Plane]:
    """The color of both halves of the reference, scene-linear, h w 3."""
    return exr.read_frame(case.reference.first).color, exr.read_frame(case.reference.second).color


def _pairs(firsts: Iterable[Path]) -> tuple[list[Pair], list[str]]:
    pairs, remarks = [], []
    for first in firsts:
        try:
            pairs.append(_pair(first))
        except McdenoiseError as error:
            remarks.append(str(error))
    return pairs, remarks


def _pair(first: Path) -> Pair:
    second = first.with_name(first.name.removesuffix(".a.exr") + ".b.exr")
    one, other = exr.read_frame(first), exr.read_frame(second)
    if one.size != other.size:
        raise FrameError(f"{second}: is {other.size}, its first half {one.size}; render both again")
    values = {name: _attribute(one, name, first) for name in ATTRIBUTES}
    for name, value in values.items():
        if _attribute(other, name, second) != value:
            raise FrameError(f"{second}: mcdenoise.{name} isn't that of {first.name}; render both again")
    seeds = frozenset(_attribute(frame, "seed", path) for frame, path in ((one, first), (other, second)))
    if len(seeds) < 2:
        raise FrameError(f"{second}: has the seed of {first.name}; halves must be independent")
    return Pair(first, second, seeds=seeds, **values)


def _attribute(frame: Frame, name: str, path: Path) -> Any:
    value = frame.attributes.get(f"mcdenoise.{name}")
    if not isinstance(value, ATTRIBUTES.get(name, int)):
        raise FrameError(f"{path}: no attribute mcdenoise.{name}; render it with `mcdenoise render`")
    return value
