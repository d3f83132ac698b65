"""Plans and renders pairs: `NAME.a.exr` and `NAME.b.exr`, two independent renders of one view.

Where asked for, `NAME.c.exr` and `NAME.d.exr` too, of more samples, and for a share of the views
`NAME.clean.exr`, of thousands: to compare with, never to train on by mistake.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mcdenoise import exr
from mcdenoise.errors import SceneError
from mcdenoise.frame import Frame
from renderers.backends._contract import GUIDES, OpenScene, Shot


@dataclass(frozen=True)
class Job:
    """One view to render several times, and where to."""

    scene: str
    view: int
    shot: Shot
    folder: Path
    # Samples of two further renders, and of a nearly clean one; 0 for none.
    extra_spp: int = 0
    clean_spp: int = 0
    is_changed: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files; their names hold all that tells this pair from others."""
        name = f"{self.scene}.v{self.view:03d}.{self.shot.spp}spp.{self.shot.filter}"
        return tuple(self.folder / f"{name}.{render}.exr" for render, _ in self._renders)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """What to render into each of `paths`: no two share their noise."""
        return tuple(
            replace(self.shot, spp=spp, seed=self.shot.seed + number)
            for number, (_, spp) in enumerate(self._renders)
        )

    @property
    def _renders(self) -> list[tuple[str, int]]:
        """The name of each render and its samples."""
        asked = [("a", self.shot.spp), ("b", self.shot.spp), ("c", self.extra_spp), ("d", self.extra_spp),
                 ("clean", self.clean_spp)]  # fmt: skip
        return [(name, spp) for name, spp in asked if spp]

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
    extra_spps: tuple[int, ...] = (),
    clean_spp: int = 0,
    clean_share: float = 0.0,
    changed_share: float = 0.0,
    guides: str = GUIDES[0],
) -> list[Job]:
    """The jobs of one scene; spp and filter are drawn per view, the same for the same seed.

    The noise starts from the spp and filter too: runs that differ in them alone share no noise.
    """
    jobs = []
    for view in views:
        chance = _chance(scene, view, seed)
        spp, name = int(chance.choice(spps)), str(chance.choice(filters))
        extra = int(chance.choice(extra_spps)) if extra_spps else 0
        start = int(_chance(scene, view, seed, spp, name).integers(2**30))
        clean = clean_spp if chance.uniform() < clean_share else 0
        shot = Shot(spp, start, name, width=size[0], height=size[1], guides=guides)
        is_changed = view > 0 and chance.uniform() < changed_share
        jobs.append(Job(scene, view, shot, folder, extra, clean, is_changed))
    return jobs


def render(scene: OpenScene, job: Job, *, camera_seed: int) -> None:
    """Render one view as often as the job says and write each render whole or not at all.

    Raises:
        SceneError: there is no such view, or the picture can't be trained on.
        ExrError: a file can't be written.
    """
    scene.look(job.view, _chance(job.scene, job.view, camera_seed))
    scene.change(_chance(job.scene, job.view, camera_seed, "change") if job.is_changed else None)
    made = [(path, shot, scene.render(shot)) for path, shot in zip(job.paths, job.shots, strict=True)]
    for path, _, frame in made:
        _check(frame, path)
    # A file that is there may be of a run with other settings: replaced first, it never completes a pair.
    for path, shot, frame in sorted(made, key=lambda one: not one[0].exists()):
        exr.write_frame(path, replace(frame, attributes=_attributes(scene, job, shot)))


def _check(frame: Frame, path: Path) -> None:
    for name, plane in frame.planes.items():
        if not np.isfinite(plane).all():
            raise SceneError(
                f"{path}: the renderer put NaN or Inf into {name}; this view is left out (and would be again)"
            )


def _attributes(scene: OpenScene, job: Job, shot: Shot) -> dict[str, str | int | float]:
    return {
        "mcdenoise.scene": job.scene,
        "mcdenoise.view": job.view,
        "mcdenoise.spp": shot.spp,
        "mcdenoise.seed": shot.seed,
        "mcdenoise.filter": shot.filter,
        "mcdenoise.renderer": scene.renderer,
        "mcdenoise.changed": int(job.is_changed),
        "mcdenoise.guides": shot.guides,
    }


def _chance(*parts: str | int) -> np.random.Generator:
    """A generator that depends on the parts and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest[:16], np.uint32))
