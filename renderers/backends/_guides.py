"""Albedo, normal and depth of what a pixel shows, followed through mirrors, clear glass, holes and smoke.

Imported once a variant is set: the base class exists only then. It is written in Dr.Jit, so it needs a
variant that compiles (`llvm_ad_rgb`, `cuda_ad_rgb`); a scalar one would call Python for each ray.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import drjit as dr
import mitsuba as mi

# Mirrors and panes passed before the look-up gives up and takes what it has gathered.
MOST_STEPS = 12


class Guides(mi.SamplingIntegrator):
    """R G B is the albedo; then the normal and the depth.

    Albedo: the diffuse reflectance where there is one, else what the surface reflects of a white sky (one
    sample of it). A mirror or clear glass passes the question on and tints the answer; if nothing answers,
    the tint is it. Nothing behind a hole, a thin pane or smoke is nothing: zeros, like the sky itself.
    """

    def __init__(self, *, has_media: bool) -> None:
        super().__init__(mi.Properties())
        self._has_media = has_media

    def aov_names(self) -> list[str]:
        """The channels after R G B."""
        return ["normal.X", "normal.Y", "normal.Z", "depth.T"]

    def sample(self, scene: Any, sampler: Any, ray: Any, medium: Any = None, active: Any = True) -> Any:  # noqa: ARG002 - mitsuba's signature
        """The guides of one ray each."""
        path = _Path(mi.Ray3f(ray), mi.Bool(active), dr.zeros(mi.MediumPtr))
        _, path = dr.while_loop(
            (sampler, path),
            lambda _, path: path.active,
            partial(_step, scene, self._has_media),
            labels=("sampler", "path"),
        )
        return path.albedo, mi.Bool(active), [path.normal.x, path.normal.y, path.normal.z, path.depth]


@dataclass
class _Path:
    """Where the look-ups are, and what they have found so far."""

    ray: Any
    active: Any
    medium: Any
    albedo: Any = field(default_factory=lambda: mi.Color3f(0))
    tint: Any = field(default_factory=lambda: mi.Color3f(1))
    normal: Any = field(default_factory=lambda: mi.Normal3f(0))
    depth: Any = field(default_factory=lambda: mi.Float(0))
    travelled: Any = field(default_factory=lambda: mi.Float(0))
    # Whether a mirror or glass bent the ray: what follows is no longer straight ahead.
    is_bent: Any = field(default_factory=lambda: mi.Bool(False))
    steps: Any = field(default_factory=lambda: mi.UInt32(0))


def _step(scene: Any, has_media: bool, sampler: Any, path: _Path) -> tuple[Any, _Path]:
    """To the next surface, and on where it doesn't scatter."""
    surface = scene.ray_intersect(path.ray, path.active)
    if has_media:
        _scatter_in_medium(path, surface, sampler)
    hit = path.active & surface.is_valid()
    bsdf = surface.bsdf(path.ray)
    # As light goes, not as radiance does: the tint of clear glass is 1 then, not 1 / index squared.
    context = mi.BSDFContext(mi.TransportMode.Importance)
    sampled, weight = bsdf.sample(context, surface, sampler.next_1d(), sampler.next_2d(), hit)
    weight = dr.clip(weight, 0, 1)
    passes = hit & mi.has_flag(sampled.sampled_type, mi.BSDFFlags.Null)
    bends = hit & ~passes & ~mi.has_flag(bsdf.flags(), mi.BSDFFlags.Smooth)
    scatters = hit & ~passes & ~bends

    _gather(path, surface, scatters, bends)
    path.tint = dr.select(passes | bends, path.tint * weight, path.tint)
    own = _albedo(bsdf, surface, weight, scatters)
    path.albedo = dr.select(scatters, path.tint * own, path.albedo)
    path.steps += 1
    goes_on = (passes | bends) & (path.steps < MOST_STEPS)
    # What a mirror or glass shows is nothing, or too far away: the tint is the answer.
    path.albedo = dr.select(path.active & path.is_bent & ~scatters & ~goes_on, path.tint, path.albedo)
    path.active = goes_on
    _turn(path, surface, surface.to_world(sampled.wo), has_media)
    return sampler, path


def _gather(path: _Path, surface: Any, scatters: Any, bends: Any) -> None:
    """Normal and depth. The depth is that of the first thing met, the normal that of the last."""
    path.travelled += dr.select(path.active & surface.is_valid(), surface.t, 0)
    path.depth = dr.select((scatters | bends) & ~path.is_bent, path.travelled, path.depth)
    path.normal = dr.select(scatters | (bends & ~path.is_bent), surface.sh_frame.n, path.normal)
    path.is_bent |= bends


def _albedo(bsdf: Any, surface: Any, weight: Any, scatters: Any) -> Any:
    is_diffuse = mi.has_flag(bsdf.flags(), mi.BSDFFlags.Diffuse)
    return dr.select(is_diffuse, dr.clip(bsdf.eval_diffuse_reflectance(surface, scatters), 0, 1), weight)


def _turn(path: _Path, surface: Any, direction: Any, has_media: bool) -> None:
    """Into the direction, and into the medium behind the surface."""
    if has_media:
        crosses = path.active & surface.is_medium_transition()
        path.medium = dr.select(crosses, surface.target_medium(direction), path.medium)
    path.ray = surface.spawn_ray(direction)


def _scatter_in_medium(path: _Path, surface: Any, sampler: Any) -> None:
    """End those that scatter in smoke or milk before they reach the surface."""
    inside = path.active & (path.medium != None)  # noqa: E711 - an array of pointers
    event = path.medium.sample_interaction(path.ray, sampler.next_1d(), mi.UInt32(0), inside)
    scatters = inside & event.is_valid() & (event.t < surface.t)
    own = dr.clip(event.sigma_s / event.combined_extinction, 0, 1)
    path.albedo = dr.select(scatters, path.tint * own, path.albedo)
    path.depth = dr.select(scatters & ~path.is_bent, path.travelled + event.t, path.depth)
    path.active &= ~scatters
