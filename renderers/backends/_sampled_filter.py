"""A camera whose rays go where the pixel filter is, so that every sample belongs to one pixel, as in Cycles.

A splatting filter gives one sample to several pixels, which then share its noise. Cycles takes a sample's
place by the filter instead (filter importance sampling): edges are as soft, noise stays independent.

Source: Ernst, Stamminger, Greiner 2006, "Filter Importance Sampling"; Cycles' `scene/film.cpp`, whose
Blackman-Harris window of 1.5 pixels (Blender's default) is 3 pixels wide.

Imported once a variant is set: the base class exists only then. Written in Dr.Jit, for one that compiles.
"""

from collections.abc import Sequence
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np

# Pixels from a pixel's middle to where its filter ends.
REACH = 1.5
ENTRIES = 1024


class SampledFilter(mi.Sensor):
    """Another sensor, seen through a Blackman-Harris filter. Its film must have a box filter: Mitsuba then
    counts a sample for the pixel that it was drawn for, wherever in it or beside it the ray goes."""

    def __init__(self, properties: mi.Properties) -> None:
        super().__init__(properties)
        self._inner: Any = properties["inner"]
        self._places = mi.Float(_inverted())

    def sample_ray_differential(
        self, time: Any, wavelength: Any, position: Any, aperture: Any, active: Any = True
    ) -> Any:
        """See `mitsuba.Sensor`; `position` is in the film, 0 to 1."""
        size = mi.Vector2f(self.film().crop_size())
        pixel = position * size
        corner = dr.floor(pixel)
        moved = corner + 0.5 + mi.Vector2f(*(self._place(part) for part in pixel - corner))
        return self._inner.sample_ray_differential(time, wavelength, moved / size, aperture, active)

    def _place(self, chance: Any) -> Any:
        """Where in the filter, in pixels from its middle, by a number from 0 to 1."""
        at = chance * (ENTRIES - 1)
        first = dr.minimum(mi.UInt32(at), ENTRIES - 2)
        before, after = (dr.gather(mi.Float, self._places, first + step) for step in (0, 1))
        return dr.lerp(before, after, at - mi.Float(first))

    def traverse(self, callback: Any) -> None:
        """Parameters are the inner sensor's."""
        self._inner.traverse(callback)

    def parameters_changed(self, keys: Sequence[str] = ()) -> None:
        """See `traverse`."""
        self._inner.parameters_changed(keys)


def _inverted() -> np.ndarray:
    """The inverse of the Blackman-Harris window's integral, at equal steps of it."""
    fine = np.linspace(-REACH, REACH, 16 * ENTRIES + 1)
    angle = np.pi * (fine / REACH + 1)
    window = 0.35875 - 0.48829 * np.cos(angle) + 0.14128 * np.cos(2 * angle) - 0.01168 * np.cos(3 * angle)
    integral = np.concatenate([[0.0], np.cumsum((window[1:] + window[:-1]) / 2)])
    return np.interp(np.linspace(0, 1, ENTRIES), integral / integral[-1], fine)


mi.register_sensor("sampled_filter", SampledFilter)
