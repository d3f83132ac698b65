"""Materials as Mitsuba 3 plugin dictionaries."""

from collections.abc import Callable
from typing import Any

import numpy as np

from renderers.scenes import _textures

Plugin = dict[str, Any]
ToBitmap = Callable[[np.ndarray], Any]


class Materials:
    """Draws materials; `bitmap` turns a float image (h w c) into the renderer's own picture."""

    def __init__(self, chance: np.random.Generator, bitmap: ToBitmap) -> None:
        self._chance, self._bitmap = chance, bitmap

    def any(self) -> Plugin:
        """A material as often as it is met."""
        kinds: list[Callable[[], Plugin]] = [
            self.diffuse, self.plastic, self.principled, self.metal, self.mirror, self.glass, self.frosted,
            self.bumpy, self.holes, self.pane]  # fmt: skip
        weights = np.array([5, 4, 4, 2, 1, 1, 0.7, 2, 0.5, 0.5])
        return kinds[int(self._chance.choice(len(kinds), p=weights / weights.sum()))]()

    def opaque(self) -> Plugin:
        """A material for walls, floors and furniture."""
        kinds = [self.diffuse, self.plastic, self.principled, self.bumpy]
        return kinds[int(self._chance.choice(4, p=[0.5, 0.2, 0.15, 0.15]))]()

    def dark(self) -> Plugin:
        """Matt and nearly black, or quite: what stands out most before a window."""
        value = max(float(self._chance.uniform(-0.02, 0.05)), 0.0)
        return _both_sides({"type": "diffuse", "reflectance": self._image(np.full((8, 8, 3), value))})

    def texture(self) -> Plugin:
        """Reflectance from an image."""
        image = _textures.texture(self._chance).astype(np.float32)
        return self._image(image)

    def diffuse(self) -> Plugin:
        """Paper, plaster, cloth."""
        return _both_sides({"type": "diffuse", "reflectance": self.texture()})

    def plastic(self) -> Plugin:
        """Varnish over a diffuse ground, from gloss to satin."""
        return _both_sides({"type": "roughplastic", "diffuse_reflectance": self.texture(), "nonlinear": True,
                            "alpha": float(self._chance.uniform(0.03, 0.4))})  # fmt: skip

    def principled(self) -> Plugin:
        """All knobs of the Disney model that a surface has."""
        u = self._chance.uniform
        return _both_sides({"type": "principled", "base_color": self.texture(),
                            "roughness": float(u(0.1, 0.9)),
                            "metallic": float(u() ** 3), "specular": float(u(0.2, 0.8)),
                            "clearcoat": float(u() ** 2), "clearcoat_gloss": float(u()),
                            "sheen": float(u() ** 2), "anisotropic": float(u() ** 2)})  # fmt: skip

    def metal(self) -> Plugin:
        """Brushed to polished metal of any tint."""
        tint = 0.5 + 0.5 * _textures.color(self._chance)
        return _both_sides({"type": "roughconductor", "material": "none", "distribution": "ggx",
                            "alpha": float(self._chance.uniform(0.03, 0.5)),
                            "specular_reflectance": self._image(np.tile(tint, (8, 8, 1)))})  # fmt: skip

    def mirror(self) -> Plugin:
        """A smooth conductor."""
        tint = np.tile(0.75 + 0.2 * _textures.color(self._chance), (8, 8, 1))
        return _both_sides(
            {"type": "conductor", "material": "none", "specular_reflectance": self._image(tint)}
        )

    def glass(self) -> Plugin:
        """Smooth glass or water."""
        return {"type": "dielectric", "int_ior": float(self._chance.uniform(1.3, 1.7))}

    def frosted(self) -> Plugin:
        """Rough glass."""
        return {"type": "roughdielectric", "alpha": float(self._chance.uniform(0.05, 0.4)), "int_ior": 1.5}

    def pane(self) -> Plugin:
        """Thin glass."""
        return {"type": "thindielectric", "int_ior": 1.5}

    def bumpy(self) -> Plugin:
        """A glossy surface whose normals waver: a normal map, since `bumpmap` gives NaN on some meshes."""
        height = _textures.noise(self._chance, self._chance.uniform(1.2, 2.2)) * self._chance.uniform(2, 20)
        slope = [np.roll(height, -1, axis) - np.roll(height, 1, axis) for axis in (1, 0)]
        normal = np.stack([-slope[0], -slope[1], np.ones_like(height)], -1)
        normal /= np.linalg.norm(normal, axis=2, keepdims=True)
        return _both_sides({"type": "normalmap", "normalmap": self._image(normal * 0.5 + 0.5),
                            "bsdf": {"type": "roughplastic", "diffuse_reflectance": self.texture(),
                                     "alpha": float(self._chance.uniform(0.05, 0.4))}})  # fmt: skip

    def holes(self) -> Plugin:
        """Cloth, leaves or grids with cut-outs."""
        image = _textures.texture(self._chance)
        mask = (image > np.median(image)).any(axis=2).astype(np.float64)
        return {
            "type": "mask",
            "opacity": self._image(np.repeat(mask[..., None], 3, axis=2)),
            "bsdf": self.diffuse(),
        }

    def _image(self, image: np.ndarray) -> Plugin:
        return {"type": "bitmap", "bitmap": self._bitmap(image.astype(np.float32)), "raw": True}


def _both_sides(material: Plugin) -> Plugin:
    return {"type": "twosided", "bsdf": material}
