"""Which things there are to furnish a place with."""

from collections.abc import Callable

import numpy as np

from renderers.scenes import _furniture, _thin, _upholstery
from renderers.scenes._furniture import Thing

MakeThing = Callable[[np.random.Generator], Thing]

THIN: tuple[MakeThing, ...] = (
    _furniture.chair, _furniture.plant, _furniture.wires, _thin.ladder, _thin.fence, _thin.louvre,
    _thin.grating, _thin.wheel, _thin.cage, _thin.washing_line, _thin.bush)  # fmt: skip
SOLID: tuple[MakeThing, ...] = (
    _furniture.table, _furniture.table, _furniture.shelf, _furniture.cupboards, _furniture.cupboards,
    _furniture.lamp, _furniture.crate_stack,
    _furniture.pedestal, _upholstery.sofa, _upholstery.bed, _upholstery.rug, _upholstery.fur_ball,
    _upholstery.curtain)  # fmt: skip


def thing(chance: np.random.Generator) -> Thing:
    """A thing that stands on the floor, about a metre in size."""
    return _one_of(THIN if chance.uniform() < 0.4 else SOLID, chance)


def thin_thing(chance: np.random.Generator) -> Thing:
    """A thing of thin parts that light passes between."""
    return _one_of(THIN, chance)


def _one_of(kinds: tuple[MakeThing, ...], chance: np.random.Generator) -> Thing:
    return kinds[int(chance.integers(len(kinds)))](chance)
