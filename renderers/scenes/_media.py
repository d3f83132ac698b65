"""What fills things: smoke, milk, juice. Light scatters inside."""

from dataclasses import dataclass

import numpy as np

from renderers.scenes._colors import color
from renderers.scenes._materials import Material, Plugin
from renderers.scenes._meshes import Number


@dataclass(frozen=True)
class Filling:
    """A medium, the surface that holds it, and what to call it."""

    kind: str
    surface: Material
    plugin: Plugin


def filling(size: Number, chance: np.random.Generator) -> Filling:
    """A filling for a closed thing of about `size` metres."""
    return (smoke, milk, juice)[int(chance.integers(3))](size, chance)


def smoke(size: Number, chance: np.random.Generator) -> Filling:
    """Thin to thick, within no surface at all."""
    albedo = np.full(3, chance.uniform(0.4, 0.98))
    return Filling(
        "smoke",
        Material("air", {"type": "null"}),
        _medium(albedo, 10 ** chance.uniform(-0.3, 0.8) / size, chance),
    )


def milk(size: Number, chance: np.random.Generator) -> Filling:
    """Milk, wax or soap within a clear or a frosted surface."""
    plain = {"type": "dielectric", "int_ior": 1.4}
    rough = {"type": "roughdielectric", "int_ior": 1.4, "alpha": 0.2}
    albedo = 0.75 + 0.24 * color(chance)
    surface = Material("skin", plain if chance.uniform() < 0.5 else rough)
    return Filling("milk", surface, _medium(albedo, 10 ** chance.uniform(0.5, 1.3) / size, chance))


def juice(size: Number, chance: np.random.Generator) -> Filling:
    """Clear and coloured: light is swallowed more than scattered."""
    surface = Material("skin", {"type": "dielectric", "int_ior": 1.33})
    albedo = 0.2 + 0.7 * color(chance)
    return Filling("juice", surface, _medium(albedo, 10 ** chance.uniform(-0.5, 0.3) / size, chance))


def _medium(albedo: np.ndarray, density: float, chance: np.random.Generator) -> Plugin:
    phase = {"type": "hg", "g": float(chance.uniform(-0.3, 0.8))}
    return {"type": "homogeneous", "albedo": {"type": "rgb", "value": albedo.tolist()},
            "sigma_t": float(density), "phase": phase}  # fmt: skip
