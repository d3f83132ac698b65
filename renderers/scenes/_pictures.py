"""Pictures that a scene names before they are drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Chance in, a picture (h w c) out; its name says what it shows.
Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when it is asked for: most scenes are described more often than rendered."""

    draw: Draw
    seed: int

    @property
    def kind(self) -> str:
        """What it shows."""
        return self.draw.__name__

    def pixels(self) -> np.ndarray:
        """The picture (h w c), float32, the same each time."""
        return np.asarray(self.draw(np.random.default_rng(self.seed)), np.float32)


def pick(kinds: Sequence[Draw], chance: np.random.Generator) -> Picture:
    """A picture of one of `kinds`."""
    return Picture(kinds[int(chance.integers(len(kinds)))], int(chance.integers(2**62)))
