"""Materials as Mitsuba 3 plugin dictionaries, whose pictures are yet to be drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from renderers.scenes import _pictures, _reliefs, _textures
from renderers.scenes._colors import color
from renderers.scenes._meshes import Number

Plugin = dict[str, Any]

# How often each is met, among all and on what is large.
ANYTHING = {
    "diffuse": 5, "plastic": 3, "gloss": 2, "principled": 4, "metal": 2, "ore": 1, "mirror": 1, "glass": 1,
    "frosted": 0.7, "pane": 0.5, "stained": 0.7, "parchment": 0.7, "bumpy": 1.5, "dented": 1.5,
    "pierced": 0.7, "worn": 1,
}  # fmt: skip
OPAQUE = {"diffuse": 5, "plastic": 1.5, "gloss": 0.7, "principled": 1.5, "bumpy": 1, "dented": 0.7}
ORES = ("Au", "Ag", "Al", "Cu", "Cr", "W")


@dataclass(frozen=True)
class Material:
    """What a surface is made of, and what to call it."""

    kind: str
    plugin: Plugin


class Materials:
    """Draws materials. Each method but the first five is a kind of material."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        # Share of a place's surfaces that are of one colour throughout, as most are in modelled rooms.
        self._plain = float(chance.uniform())

    def any(self) -> Material:
        """A material as often as it is met."""
        return self._one_of(ANYTHING)

    def opaque(self) -> Material:
        """A material for walls, floors and furniture."""
        return self._one_of(OPAQUE)

    def print(self) -> Material:
        """A photograph or text: posters, pages, covers."""
        picture = _bitmap(_pictures.pick(_textures.PRINTS, self._chance))
        if self._chance.uniform() < 0.6:
            return Material("print", _both_sides({"type": "diffuse", "reflectance": picture}))
        return Material("print", _both_sides({"type": "plastic", "diffuse_reflectance": picture}))

    def foliage(self) -> Material:
        """Leaves cut out of cards, lit through."""
        picture = _bitmap(_pictures.pick((_textures.leaf_green,), self._chance))
        leaf = {"type": "principledthin", "base_color": picture, "roughness": 0.5,
                "diff_trans": float(self._chance.uniform(0, 1.2))}  # fmt: skip
        return Material("foliage", self._cut(_reliefs.LEAVES, leaf))

    def dark(self) -> Material:
        """Matt and nearly black, or quite: what stands out most before a window."""
        value = max(float(self._chance.uniform(-0.02, 0.05)), 0.0)
        return Material("dark", _both_sides({"type": "diffuse", "reflectance": _flat(np.full(3, value))}))

    def diffuse(self) -> Plugin:
        """Paper, plaster, cloth."""
        return _both_sides({"type": "diffuse", "reflectance": self._texture()})

    def plastic(self) -> Plugin:
        """Satin varnish over a diffuse ground."""
        return _both_sides({"type": "roughplastic", "diffuse_reflectance": self._texture(), "nonlinear": True,
                            "alpha": self._uniform(0.03, 0.4)})  # fmt: skip

    def gloss(self) -> Plugin:
        """Smooth varnish over a diffuse ground: a faint mirror."""
        return _both_sides({"type": "plastic", "diffuse_reflectance": self._texture(), "nonlinear": True})

    def principled(self) -> Plugin:
        """All knobs of the Disney model that a closed surface has."""
        u = self._chance.uniform
        return _both_sides({"type": "principled", "base_color": self._texture(),
                            "roughness": float(u(0.1, 0.9)), "metallic": float(u() ** 3),
                            "specular": float(u(0.2, 0.8)), "spec_tint": float(u() ** 2),
                            "clearcoat": float(u() ** 2), "clearcoat_gloss": float(u()),
                            "sheen": float(u() ** 2), "sheen_tint": float(u()), "flatness": float(u() ** 2),
                            "anisotropic": float(u() ** 2)})  # fmt: skip

    def stained(self) -> Plugin:
        """The same model let through by light: stained glass, wax, amber."""
        u = self._chance.uniform
        return {"type": "principled", "base_color": self._texture(), "roughness": float(u(0.05, 0.5)),
                "spec_trans": float(u(0.4, 1)), "eta": float(u(1.2, 1.7))}  # fmt: skip

    def parchment(self) -> Plugin:
        """A thin sheet that light shines through: lampshades, curtains, leaves."""
        return {"type": "principledthin", "base_color": self._texture(),
                "roughness": self._uniform(0.2, 0.9), "spec_trans": self._uniform(0, 0.4),
                "diff_trans": self._uniform(0.4, 1.6)}  # fmt: skip

    def metal(self) -> Plugin:
        """Brushed to polished metal of any tint."""
        tint = 0.5 + 0.5 * color(self._chance)
        return _both_sides({"type": "roughconductor", "material": "none", "distribution": "ggx",
                            "alpha": self._uniform(0.03, 0.5),
                            "specular_reflectance": _flat(tint)})  # fmt: skip

    def ore(self) -> Plugin:
        """Gold, silver, aluminium, copper, chrome, tungsten as measured; brushed along one axis at times."""
        along, across = self._chance.uniform(0.03, 0.4, 2)
        is_brushed = self._chance.uniform() < 0.4
        return _both_sides({"type": "roughconductor", "material": str(self._chance.choice(ORES)),
                            "distribution": "ggx", "alpha_u": float(along),
                            "alpha_v": float(across if is_brushed else along)})  # fmt: skip

    def mirror(self) -> Plugin:
        """A smooth conductor."""
        tint = 0.75 + 0.2 * color(self._chance)
        return _both_sides({"type": "conductor", "material": "none", "specular_reflectance": _flat(tint)})

    def glass(self) -> Plugin:
        """Smooth glass or water."""
        return {"type": "dielectric", "int_ior": self._uniform(1.3, 1.7)}

    def frosted(self) -> Plugin:
        """Rough glass."""
        return {"type": "roughdielectric", "alpha": self._uniform(0.05, 0.4), "int_ior": 1.5}

    def pane(self) -> Plugin:
        """Thin glass."""
        return {"type": "thindielectric", "int_ior": 1.5}

    def bumpy(self) -> Plugin:
        """Bricks, cloth, tiles in relief: a normal map, as Mitsuba's `bumpmap` gives NaN on some meshes."""
        return self._relief(_reliefs.BUMPS)

    def dented(self) -> Plugin:
        """Hammered, wavy."""
        return self._relief(_reliefs.DENTS)

    def pierced(self) -> Plugin:
        """Cloth, lace or punched metal with cut-outs."""
        return self._cut(_reliefs.CUTOUTS, self.diffuse() if self._chance.uniform() < 0.6 else self.metal())

    def worn(self) -> Plugin:
        """Paint that has come off metal in places."""
        return {"type": "blendbsdf", "weight": _bitmap(_pictures.pick((_reliefs.rags,), self._chance)),
                "paint": self.plastic(), "metal": self.metal()}  # fmt: skip

    def _one_of(self, weights: Mapping[str, Number]) -> Material:
        kinds, share = list(weights), np.array(list(weights.values()))
        kind = kinds[int(self._chance.choice(len(kinds), p=share / share.sum()))]
        make: Callable[[], Plugin] = getattr(self, kind)
        return Material(kind, make())

    def _relief(self, kinds: tuple[_pictures.Draw, ...]) -> Plugin:
        varnished = {"type": "roughplastic", "diffuse_reflectance": self._texture(),
                     "alpha": self._uniform(0.05, 0.4)}  # fmt: skip
        picture = _bitmap(_pictures.pick(kinds, self._chance))
        return _both_sides({"type": "normalmap", "normalmap": picture, "bsdf": varnished})

    def _cut(self, cutouts: tuple[_pictures.Draw, ...], bsdf: Plugin) -> Plugin:
        return {"type": "mask", "opacity": _bitmap(_pictures.pick(cutouts, self._chance)), "bsdf": bsdf}

    def _texture(self) -> Plugin:
        if self._chance.uniform() < self._plain:
            return _flat(color(self._chance))
        kinds = _textures.PATTERNS if self._chance.uniform() < 0.8 else _textures.PRINTS
        return _bitmap(_pictures.pick(kinds, self._chance))

    def _uniform(self, low: Number, high: Number) -> float:
        return float(self._chance.uniform(low, high))


def _bitmap(picture: "_pictures.Picture | np.ndarray") -> Plugin:
    return {"type": "bitmap", "bitmap": picture, "raw": True}


def _flat(value: np.ndarray) -> Plugin:
    """One colour, as a picture: a further type of texture would cost compiling."""
    return _bitmap(np.tile(value, (8, 8, 1)).astype(np.float32))


def _both_sides(material: Plugin) -> Plugin:
    return {"type": "twosided", "bsdf": material}
