"""Mitsuba 3: scenes from XML files or from a number, rendered by path tracing, with their guides."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcdenoise.errors import NoInputError, SceneError
from mcdenoise.frame import Frame
from renderers import cameras
from renderers.backends._changes import Changes
from renderers.backends._contract import Shot, scene_name
from renderers.backends._variant import start

SUFFIXES = (".xml",)
# The last is none of Mitsuba's: `_sampled_filter`.
SAMPLED = "blackman-harris"
FILTERS = ("box", "gaussian", "tent", "mitchell", SAMPLED)
CHANGES = True
# Channels of the `aov` integrator in the order asked for, after R G B: what a variant gets that can't have
# `_guides`.
AOVS = "albedo:albedo,normal:sh_normal,depth:depth"
MAX_DEPTH = 16
# Of the lens, in shares of the distance that is in focus, log10.
APERTURES_LOG = (-2.7, -1.7)
# Paths in flight: 2 GiB or so of Dr.Jit's memory.
PASS_SAMPLES = 2**22


class MitsubaScene:
    """A scene in memory with a camera that can be moved."""

    def __init__(
        self, scene: Any, name: str, camera: np.ndarray, fov: float, *, has_lens: bool = False
    ) -> None:
        self._mi = start()
        self._scene, self.name = scene, name
        self.renderer = f"mitsuba {self._mi.__version__} {self._mi.variant()}"
        self._own = camera, fov
        self._integrators: dict[str, list[Any]] = {}
        self._sensors: dict[tuple[str, int, int], Any] = {}
        self._camera, self._fov = self._own
        self._changes: Changes | None = None
        # Through a thin lens what is out of focus is blurred, in the guides too.
        self._has_lens, self._aperture, self._focus = has_lens, 0.0, 1.0

    @classmethod
    def from_file(cls, path: Path) -> "MitsubaScene":
        """Load a Mitsuba 3 XML scene.

        Raises:
            NoInputError: no such file.
            SceneError: Mitsuba refuses it (the message names file and element), or it has no camera.
        """
        if not path.is_file():
            raise NoInputError(f"{path}: no such scene file; give a Mitsuba 3 XML file, or --procedural N")
        mi = start()
        try:
            scene = mi.load_file(str(path))
        except RuntimeError as error:
            raise SceneError(f"{path}: Mitsuba can't load it: {_plain(error)}") from error
        if not scene.sensors():
            raise SceneError(
                f"{path}: the scene has no <sensor>; add one, it is where the first view comes from"
            )
        own = scene.sensors()[0]
        return cls(scene, scene_name(path), _matrix(own), _fov(mi, own))

    @classmethod
    def from_choice(
        cls, scene: Any, name: str, cameras_: Sequence[tuple[np.ndarray, float]], *, has_lens: bool
    ) -> "MitsubaScene":
        """A loaded scene whose own camera is the first from which there is something to see."""
        made = cls(scene, name, *cameras_[0], has_lens=has_lens)
        made._own = cameras.first_of(made.cast, cameras_)
        return made

    def look(self, view: int, chance: np.random.Generator) -> None:
        """See `OpenScene.look`."""
        matrix, fov = self._own
        if view > 0:
            matrix, fov = cameras.find(self.cast, matrix, fov, chance, where=f"{self.name}, view {view}")
        self.place(matrix, fov)
        if self._has_lens:
            self._focus_by(chance)
            self._aim_all()

    @property
    def view(self) -> tuple[np.ndarray, float]:
        """The camera-to-world matrix (4 4; x left, y up, z ahead) and the field of view in degrees."""
        return self._camera, self._fov

    def place(self, matrix: np.ndarray, fov: float) -> None:
        """Put the camera there; see `view`."""
        self._camera, self._fov = matrix, fov
        self._aim_all()

    def _aim_all(self) -> None:
        for sensor in self._sensors.values():
            self._aim(sensor)

    def _focus_by(self, chance: np.random.Generator) -> None:
        """Focus on something in the picture, through a wide or a narrow lens."""
        directions = cameras.grid_directions(self._camera, self._fov)
        distances, _ = self.cast(np.repeat(self._camera[None, :3, 3], len(directions), 0), directions)
        seen = distances[np.isfinite(distances)]
        self._focus = float(chance.choice(seen)) if seen.size else 1.0
        self._aperture = self._focus * 10 ** float(chance.uniform(*APERTURES_LOG))

    def change(self, chance: np.random.Generator | None) -> None:
        """See `OpenScene.change`."""
        if chance:
            self._changes = self._changes or Changes(self._mi, self._scene)
            self._changes.draw(chance)
        elif self._changes:
            self._changes.give_back()

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances (n, inf where nothing is hit) and normals (n 3) of rays in world space."""
        mi = self._mi
        if "scalar" in mi.variant():
            hits = [self._scene.ray_intersect(mi.Ray3f(mi.Point3f(o), mi.Vector3f(d)))
                    for o, d in zip(origins.tolist(), directions.tolist(), strict=True)]  # fmt: skip
            distances = np.array([h.t if h.is_valid() else np.inf for h in hits], np.float32)
            return distances, np.array([list(h.n) for h in hits], np.float32)
        hit = self._scene.ray_intersect(mi.Ray3f(mi.Point3f(origins.T), mi.Vector3f(directions.T)))
        valid = np.array(hit.is_valid())
        return np.where(valid, np.array(hit.t), np.inf), np.array(hit.n).T

    def render(self, shot: Shot) -> Frame:
        """See `OpenScene.render`."""
        key = (shot.filter, shot.width, shot.height)
        if key not in self._sensors:
            self._sensors[key] = self._sensor(shot)
            self._aim(self._sensors[key])
        if shot.guides not in self._integrators:
            self._integrators[shot.guides] = _integrators(
                self._mi, shot.guides, has_media=_has_media(self._scene)
            )
        image = np.zeros((shot.height, shot.width, 10), np.float64)
        for number, spp in enumerate(_passes(shot)):
            image += spp / shot.spp * self._render_pass(shot, spp, _pass_seed(shot.seed, number))
        return _frame(image.astype(np.float32), has_negative_lobes=shot.filter == "mitchell")

    def close(self) -> None:
        """See `OpenScene.close`: memory goes with the last reference."""

    def _render_pass(self, shot: Shot, spp: int, seed: int) -> np.ndarray:
        sensor = self._sensors[shot.filter, shot.width, shot.height]
        # One seed for all integrators: the guides are of the very points that the color is of.
        try:
            images = [self._mi.render(self._scene, sensor=sensor, integrator=integrator, spp=spp, seed=seed)
                      for integrator in self._integrators[shot.guides]]  # fmt: skip
        except RuntimeError as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C and SIGTERM, as Dr.Jit wraps them
                raise error.__cause__ from None
            raise SceneError(f"{self.name}: Mitsuba can't render it: {_plain(error)}") from error
        return np.concatenate([np.array(image) for image in images], axis=2)

    def _aim(self, sensor: Any) -> None:
        # Through `traverse`, so that Dr.Jit takes the camera as data and keeps its compiled kernel.
        parameters = self._mi.traverse(sensor)
        parameters["to_world"] = self._mi.Transform4f(self._camera)
        parameters["x_fov"] = self._fov
        if self._has_lens:
            for name, value in (("aperture_radius", self._aperture), ("focus_distance", self._focus)):
                parameters[name] = self._as_data(value)
        parameters.update()

    def _as_data(self, value: float) -> Any:
        """A number that Dr.Jit keeps out of its kernels: as a literal each value would be compiled anew."""
        if "scalar" in self._mi.variant():
            return value
        import drjit

        return drjit.opaque(self._mi.Float, value)

    def _sensor(self, shot: Shot) -> Any:
        is_sampled = shot.filter == SAMPLED
        film = {"type": "hdrfilm", "width": shot.width, "height": shot.height, "pixel_format": "rgb",
                "component_format": "float32",
                "rfilter": {"type": "box" if is_sampled else shot.filter}}  # fmt: skip
        lens: dict[str, Any] = {"type": "thinlens", "aperture_radius": 0.01, "focus_distance": 1.0}
        if not self._has_lens:
            lens = {"type": "perspective"}
        sensor = {**lens, "fov": self._fov, "film": film, "sampler": {"type": "independent"},
                  "near_clip": 1e-3, "far_clip": 1e5}  # fmt: skip
        return self._seen_through_samples(sensor) if is_sampled else self._mi.load_dict(sensor)

    def _seen_through_samples(self, sensor: dict[str, Any]) -> Any:
        if "scalar" in self._mi.variant():
            raise SceneError(
                f"{self.name}: {SAMPLED} needs a variant of Mitsuba that compiles; install libllvm19, "
                "or take another --filter"
            )
        import renderers.backends._sampled_filter  # noqa: F401 - Mitsuba knows the plugin by then

        rest = {"film": sensor["film"], "sampler": sensor["sampler"]}
        return self._mi.load_dict({"type": "sampled_filter", "inner": sensor, **rest})


open_file = MitsubaScene.from_file


def _integrators(mi: Any, guides: str, *, has_media: bool) -> list[Any]:
    """What renders R G B albedo normal depth, in this order."""
    # `hide_emitters` stays off: lamps in view are part of the picture.
    color = {"type": "volpath" if has_media else "path", "max_depth": MAX_DEPTH}
    if guides == "first" or "scalar" in mi.variant():
        return [mi.load_dict({"type": "aov", "aovs": AOVS, "image": color})]
    from renderers.backends._guides import Guides

    return [mi.load_dict(color), Guides(has_media=has_media)]


def _has_media(scene: Any) -> bool:
    """Whether anything in the scene is filled with smoke, fog or milk."""
    return any(shape.is_medium_transition() for shape in scene.shapes())


def _plain(error: BaseException) -> str:
    """The first cause that Mitsuba tells, in one line, without the places in its own source."""
    if error.__cause__:
        return _plain(error.__cause__)
    return " ".join(re.sub(r"\[\w+\.cpp:\d+\]", "", str(error)).split())


def _passes(shot: Shot) -> list[int]:
    """The samples of each pass, so that no pass holds more than `PASS_SAMPLES` paths in memory at once."""
    most = max(PASS_SAMPLES // (shot.width * shot.height), 1)
    return [most] * (shot.spp // most) + ([shot.spp % most] if shot.spp % most else [])


def _pass_seed(seed: int, number: int) -> int:
    """32 bits that differ from seed to seed and from pass to pass."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _matrix(sensor: Any) -> np.ndarray:
    matrix = np.array(sensor.world_transform().matrix, np.float64)
    return matrix[..., 0] if matrix.ndim == 3 else matrix


def _fov(mi: Any, sensor: Any) -> float:
    parameters = mi.traverse(sensor)
    return float(np.ravel(np.array(parameters["x_fov"]))[0]) if "x_fov" in parameters else 45.0


def _frame(image: np.ndarray, *, has_negative_lobes: bool) -> Frame:
    """R G B albedo normal depth (h w 10) as a frame; albedo within 0..1, negative radiance clamped.

    Without `_guides` the albedo exceeds 1 on rough conductors (measured: up to 97) and is 0 on mirrors and
    smooth glass. What is black has an albedo of exactly 0, and so has the sky. HDRIs may hold
    negative radiance, and so do renders lit by them; where the pixel filter has negative lobes, negative
    radiance is part of an unbiased picture and stays.
    """
    color, albedo, normal, depth = np.split(image, [3, 6, 9], axis=2)
    albedo = np.clip(albedo, 0.0, 1.0)
    return Frame({
        "color": color if has_negative_lobes else np.maximum(color, 0.0),
        "albedo": albedo.astype(np.float32),
        "normal": np.clip(normal, -1.0, 1.0),
        "depth": np.maximum(depth, 0.0),
    })  # fmt: skip
