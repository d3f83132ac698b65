"""`mcdenoise render`: pairs of noisy renders, from scene files or from procedural scenes."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcdenoise import config
from mcdenoise.config import setting
from mcdenoise.errors import McdenoiseError, SceneError, UsageError
from renderers import pairs
from renderers.backends import mitsuba
from renderers.backends.mitsuba import MitsubaScene
from renderers.scenes import procedural

HELP = "render pairs of noisy frames to train on (Mitsuba 3)"
EXAMPLES = """examples:
  mcdenoise render scene.xml -o pairs/ --spp 8 --views 4 --size 256x256
  mcdenoise render kitchen.xml office.xml -o pairs/ --spp 4,8,16 --filter box,gaussian --views 20
  mcdenoise render --procedural 100 -o pairs/ --views 4 --seed 7
Run it again to go on where it was stopped: only what is missing is rendered."""


def _numbers(text: object) -> str:
    """Check a list such as 4,8,16; it stays text, so that it reads the same in a settings file."""
    for part in str(text).split(","):
        if int(part) < 1:
            raise ValueError(f"{part} is not a count of samples")
    return str(text)


@dataclass(frozen=True)
class RenderSettings:
    """All that decides what `render` writes."""

    spp: str = setting("8", "samples per pixel of each half; several (4,8,16): one is drawn per view",
                       metavar="N[,N...]", parse=_numbers)  # fmt: skip
    views: int = setting(4, "cameras per scene; the first is the scene's own", metavar="N")
    first_view: int = setting(0, "number of the first view", metavar="N")
    size: str = setting("256x256", "width x height in pixels", metavar="WxH")
    seed: int = setting(1, "where chance starts: cameras, spp, filters and noise", metavar="N")
    camera_seed: int = setting(1, "where the cameras start, apart from the noise", metavar="N")
    filter: str = setting(
        "box", f"pixel filter, or several: {', '.join(mitsuba.FILTERS)}", metavar="NAME[,NAME...]"
    )
    procedural: int = setting(0, "render this many made-up scenes", metavar="N")
    first_scene: int = setting(0, "number of the first made-up scene", metavar="N")
    environments: str = setting(
        "", "folder of .exr environment maps to light made-up scenes with", metavar="DIR"
    )

    def __post_init__(self) -> None:
        if (
            self.views < 1
            or self.first_view < 0
            or self.procedural < 0
            or min(self.seed, self.camera_seed) < 0
        ):
            raise UsageError("render: --views must be at least 1, other numbers can't be negative")
        for name in self.filters:
            if name not in mitsuba.FILTERS:
                raise UsageError(f"render: no filter {name!r}; there is: {', '.join(mitsuba.FILTERS)}")
        if min(self.width_height) < 8:
            raise UsageError(f"render: --size {self.size} is too small; 8x8 is the least")

    @property
    def spps(self) -> tuple[int, ...]:
        """The samples per pixel to draw from."""
        return tuple(int(part) for part in self.spp.split(","))

    @property
    def filters(self) -> tuple[str, ...]:
        """The pixel filters to draw from."""
        return tuple(self.filter.split(","))

    @property
    def width_height(self) -> tuple[int, int]:
        """The size in pixels."""
        try:
            width, height = (int(part) for part in self.size.lower().split("x"))
        except ValueError:
            raise UsageError(f"render: --size {self.size!r}: write it as 256x256") from None
        return width, height


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `render`."""
    parser.add_argument("scenes", nargs="*", type=Path, metavar="SCENE.xml", help="Mitsuba 3 scenes")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PAIRS/", help="folder for the pairs"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    config.add_arguments(parser, RenderSettings)


def run(arguments: argparse.Namespace) -> int:
    """Render what is missing; 1 if a view or a scene failed, the others are there."""
    settings = config.resolve(RenderSettings, arguments)
    if bool(arguments.scenes) == bool(settings.procedural):
        raise UsageError("render: give scene files, or --procedural N (see mcdenoise render --help)")
    folder: Path = arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: can't make this folder: {error.strerror}") from error
    return _render_all(arguments.scenes, settings, folder, quiet=arguments.quiet)


def _render_all(scenes: list[Path], settings: RenderSettings, folder: Path, *, quiet: bool) -> int:
    from tqdm import tqdm

    numbers = range(settings.first_scene, settings.first_scene + settings.procedural)
    sources: list[Path | int] = [*scenes, *numbers]
    tally = Tally()
    with tqdm(total=len(sources) * settings.views, unit="pair", disable=quiet or None, smoothing=0.05) as bar:
        for source in sources:
            for error in _render_scene(source, settings, folder, tally):
                bar.write(f"mcdenoise: {error}", file=sys.stderr)
            bar.update(tally.finished - bar.n)
    print(f"{folder}: {tally.present} pairs were there, {tally.rendered} rendered, {tally.failed} failed")
    return 1 if tally.failed else 0


@dataclass
class Tally:
    """How the views asked for ended."""

    present: int = 0
    rendered: int = 0
    failed: int = 0

    @property
    def finished(self) -> int:
        """Views that need no more work."""
        return self.present + self.rendered + self.failed


def _render_scene(
    source: Path | int, settings: RenderSettings, folder: Path, tally: Tally
) -> Iterator[McdenoiseError]:
    """Render the views of one scene that are missing, counting them; yields what went wrong."""
    jobs = _plan(source, settings, folder)
    missing = [job for job in jobs if not job.is_done]
    tally.present += len(jobs) - len(missing)
    if not missing:
        return
    try:
        scene = _open(source, settings)
    except McdenoiseError as error:
        tally.failed += len(missing)
        yield error
        return
    for job in missing:
        try:
            pairs.render(scene, job, camera_seed=settings.camera_seed)
            tally.rendered += 1
        except SceneError as error:
            tally.failed += 1
            yield error


def _plan(source: Path | int, settings: RenderSettings, folder: Path) -> list[pairs.Job]:
    name = mitsuba.scene_name(source) if isinstance(source, Path) else procedural.scene_name(source)
    views = range(settings.first_view, settings.first_view + settings.views)
    return pairs.plan(name, folder, views=views, spps=settings.spps, filters=settings.filters,
                      size=settings.width_height, seed=settings.seed)  # fmt: skip


def _open(source: Path | int, settings: RenderSettings) -> MitsubaScene:
    if isinstance(source, Path):
        return MitsubaScene.from_file(source)
    return procedural.open_scene(source, Path(settings.environments) if settings.environments else None)
