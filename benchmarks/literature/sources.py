"""Pairs from pictures: corrupted as they are asked for, in the trainer's batches."""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import torch

from benchmarks.literature.corruptions import Corrupted, Corruption
from benchmarks.literature.images import Picture, crop
from mcdenoise import encoding
from mcdenoise.dataset import Batch

SEED = 1
BATCH = 4
CROP = 64
# Of the pixels that are hidden at a time, one in so many lines and columns.
GRID = 4

# Input, target, and how much each value of the target counts.
Triple = tuple[Picture, Picture, Picture]
Pairing = Callable[[Picture, np.random.Generator], Triple]


def noise2noise(corrupt: Corruption) -> Pairing:
    """The target is corrupted as the input is, by other chance; only what is known of it counts."""

    def pair(picture: Picture, chance: np.random.Generator) -> Triple:
        one, other = chance.spawn(2)
        return (corrupt(picture, one).values, *corrupt(picture, other))

    return pair


def noise2clean(corrupt: Corruption) -> Pairing:
    """The same inputs, and the picture itself as the target."""

    def pair(picture: Picture, chance: np.random.Generator) -> Triple:
        one, _ = chance.spawn(2)
        return corrupt(picture, one).values, picture, np.ones_like(picture)

    return pair


def noise2self(corrupt: Corruption) -> Pairing:
    """The input is its own target, at some pixels only, which the network isn't shown.

    Source: Batson and Royer 2019, section 3 and its supplement: a grid, masked by interpolation.
    """

    def pair(picture: Picture, chance: np.random.Generator) -> Triple:
        one, other = chance.spawn(2)
        noisy = corrupt(picture, one).values
        chosen = grid(noisy, *(int(n) for n in other.integers(GRID, size=2)))
        return np.where(chosen > 0, neighbours(noisy), noisy), noisy, chosen

    return pair


def grid(picture: Picture, y: int, x: int) -> Picture:
    """1 at every `GRID`th pixel of both directions from there on, else 0."""
    chosen = np.zeros_like(picture)
    chosen[y::GRID, x::GRID] = 1
    return chosen


def neighbours(picture: Picture) -> Picture:
    """The mean of the eight around each pixel, edges mirrored."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    height, width = picture.shape[:2]
    nine = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    return np.asarray((nine - picture) / 8, np.float32)


def batches(
    pictures: list[Picture], pair: Pairing, *, side: int = CROP, size: int = BATCH
) -> Iterator[Batch]:
    """Endless, and the same crops and inputs from one seed whatever the target."""
    for step in count():
        chance = np.random.default_rng([SEED, step])
        yield batch([pair(crop(pictures, side, chance), chance) for _ in range(size)])


def batch(triples: list[Triple]) -> Batch:
    """As the trainer takes them: without guides, in no exposure but their own."""
    color, target, weight = (
        torch.cat([encoding.tensor(part) for part in parts]) for parts in zip(*triples, strict=True)
    )
    blind, all_of_it = no_guides(color), torch.ones_like(color[:, :1], dtype=torch.bool)
    alike = torch.ones(len(color), 1, 1, 1)
    return Batch(color, blind, target, alike, target * np.nan, blind, all_of_it, weight)


def no_guides(color: torch.Tensor) -> torch.Tensor:
    """Of a batch without any."""
    size = (int(color.shape[2]), int(color.shape[3]))
    return encoding.tensor(encoding.guides({}, size)).expand(len(color), -1, -1, -1).to(color.device)


def corrupted(pictures: list[Picture], corrupt: Corruption) -> list[Corrupted]:
    """Pictures to be tested on, always with the same chance."""
    return [corrupt(picture, np.random.default_rng([SEED, n])) for n, picture in enumerate(pictures)]
