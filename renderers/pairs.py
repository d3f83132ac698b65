"""Plans and renders pairs: `NAME.a.exr` and `NAME.b.exr`, two independent renders of one view."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mcdenoise import exr
from mcdenoise.errors import SceneError
from mcdenoise.frame import Frame
from renderers.backends._contract import OpenScene, Shot


@dataclass(frozen=True)
class Job:
    """One view to render twice, and where to."""

    scene: str
    view: int
    shot: Shot
    folder: Path

    @property
    def paths(self) -> tuple[Path, Path]:
        """The two files; their names hold all that tells this pair from others."""
        name = f"{self.scene}.v{self.view:03d}.{self.shot.spp}spp.{self.shot.filter}"
        return self.folder / f"{name}.a.exr", self.folder / f"{name}.b.exr"

    @property
    def is_done(self) -> bool:
        """Files appear whole or not at all, so to exist is to be done."""
        return all(path.exists() for path in self.paths)


def plan(
    scene: str,
    folder: Path,
    *,
    views: range,
    spps: tuple[int, ...],
    filters: tuple[str, ...],
    size: tuple[int, int],
    seed: int,
) -> list[Job]:
    """The jobs of one scene; spp and filter are drawn per view, the same for the same seed.

    The noise starts from the spp and filter too: runs that differ in them alone share no noise.
    """
    jobs = []
    for view in views:
        chance = _chance(scene, view, seed)
        spp, name = int(chance.choice(spps)), str(chance.choice(filters))
        start = int(_chance(scene, view, seed, spp, name).integers(2**30))
        jobs.append(Job(scene, view, Shot(spp, start, name, width=size[0], height=size[1]), folder))
    return jobs


def render(scene: OpenScene, job: Job, *, camera_seed: int) -> None:
    """Render both halves of one view and write them, each whole or not at all.

    Raises:
        SceneError: there is no such view, or the picture can't be trained on.
        ExrError: a file can't be written.
    """
    scene.look(job.view, _chance(job.scene, job.view, camera_seed))
    frames = [scene.render(replace(job.shot, seed=job.shot.seed + half)) for half in range(2)]
    for frame, path in zip(frames, job.paths, strict=True):
        _check(frame, path)
    # A half that is there may be of a run with other settings: replaced first, it never completes a pair.
    for half in sorted(range(2), key=lambda half: not job.paths[half].exists()):
        attributes = _attributes(scene, job, job.shot.seed + half)
        exr.write_frame(job.paths[half], replace(frames[half], attributes=attributes))


def _check(frame: Frame, path: Path) -> None:
    for name, plane in frame.planes.items():
        if not np.isfinite(plane).all():
            raise SceneError(
                f"{path}: the renderer put NaN or Inf into {name}; this view is left out (and would be again)"
            )


def _attributes(scene: OpenScene, job: Job, seed: int) -> dict[str, str | int | float]:
    return {
        "mcdenoise.scene": job.scene,
        "mcdenoise.view": job.view,
        "mcdenoise.spp": job.shot.spp,
        "mcdenoise.seed": seed,
        "mcdenoise.filter": job.shot.filter,
        "mcdenoise.renderer": scene.renderer,
    }


def _chance(*parts: str | int) -> np.random.Generator:
    """A generator that depends on the parts and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest[:16], np.uint32))
