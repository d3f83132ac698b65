"""What `mcdenoise render` does: pairs of noisy renders of scene files, or of procedural scenes."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

from mcdenoise import cluster, config
from mcdenoise.errors import ExrError, McdenoiseError, NoInputError, SceneError, UsageError
from renderers import backends, pairs
from renderers.backends._contract import OpenScene, scene_name
from renderers.scenes import procedural
from renderers.settings import RenderSettings


@dataclass(frozen=True)
class Source:
    """A scene that is opened once one of its views is missing, and the name its pairs get."""

    name: str
    open: Callable[[], OpenScene]


@dataclass
class Tally:
    """How the views asked for ended."""

    present: int = 0
    rendered: int = 0
    failed: int = 0
    exit_codes: set[int] = field(default_factory=set)

    @property
    def finished(self) -> int:
        """Views that need no more work."""
        return self.present + self.rendered + self.failed

    def add(self, other: "Tally") -> None:
        """Count what `other` counted too."""
        self.present, self.rendered = self.present + other.present, self.rendered + other.rendered
        self.failed += other.failed
        self.exit_codes |= other.exit_codes

    @property
    def exit_code(self) -> int:
        """0 without failures; the failures' own code where they agree; else 1."""
        return next(iter(self.exit_codes)) if len(self.exit_codes) == 1 else min(len(self.exit_codes), 1)

    def fail(self, error: McdenoiseError, views: int) -> McdenoiseError:
        """Count views that `error` cost; gives it back."""
        self.failed += views
        self.exit_codes.add(error.exit_code)
        return error


def run(arguments: argparse.Namespace) -> int:
    """Render what is missing; a view or a scene that fails doesn't stop the others."""
    settings = config.resolve(RenderSettings, arguments)
    sources = _sources(arguments.scenes, settings)
    _make_folder(arguments.output)
    tally = _render_all(sources, settings, arguments.output, quiet=arguments.quiet)
    print(f"{arguments.output}: {tally.present} pairs were there, "
          f"{tally.rendered} rendered, {tally.failed} failed")  # fmt: skip
    return tally.exit_code


def _sources(scenes: Sequence[Path], settings: RenderSettings) -> list[Source]:
    """What to render: the scene files, or the made-up scenes.

    Raises:
        UsageError: neither or both are asked for, no renderer opens a file or has what is asked
            of it, or there are no environment maps where they should be.
    """
    if bool(scenes) == bool(settings.procedural):
        raise UsageError("render: give scene files, or --procedural N (see mcdenoise render --help)")
    if settings.changed_share and settings.procedural:
        raise UsageError("render: --changed-share is for scene files; no two made-up scenes are alike anyway")
    maps = Path(settings.environments) if settings.environments else None
    if maps and not any(maps.glob("*.exr")):
        raise UsageError(f"--environments {maps}: no such folder, or no .exr in it")
    numbers = range(settings.first_scene, settings.first_scene + settings.procedural)
    return [
        *(
            Source(name, partial(_backend(path, settings).open_file, path))
            for name, path in _by_name(scenes).items()
        ),
        *(Source(procedural.scene_name(n), partial(procedural.open_scene, n, maps)) for n in numbers),
    ]


def _by_name(scenes: Sequence[Path]) -> dict[str, Path]:
    """The scene files by the name that their pairs get.

    Raises:
        UsageError: two of them have the same.
    """
    by_name: dict[str, Path] = {}
    for path in scenes:
        other = by_name.setdefault(scene_name(path), path)
        if other != path:
            raise UsageError(f"{other} and {path}: pairs of both would have one name; rename one of them")
    return by_name


def _backend(path: Path, settings: RenderSettings) -> ModuleType:
    """The renderer that opens the file.

    Raises:
        UsageError: none does, or it lacks a filter that is asked for, or can't change its scenes.
    """
    every = backends.every()
    backend = next((one for one in every if path.suffix.lower() in one.SUFFIXES), None)
    if not backend:
        known = ", ".join(suffix for one in every for suffix in one.SUFFIXES)
        raise UsageError(f"{path}: no renderer opens this; give a scene file of these kinds: {known}")
    if lacking := [name for name in settings.filters if name not in backend.FILTERS]:
        raise UsageError(
            f"{path}: its renderer has no filter {lacking[0]!r}; it has: {', '.join(backend.FILTERS)}"
        )
    if settings.changed_share and not backend.CHANGES:
        raise UsageError(f"{path}: its renderer can't change lights and materials; leave out --changed-share")
    return backend


def _make_folder(folder: Path) -> None:
    """Make sure, before any work, that pairs can be written to `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # asking the system for rights says yes to root anywhere
    except OSError as error:
        raise ExrError(
            f"{folder}: can't be written to as a folder: {error.strerror}; choose another -o"
        ) from error


def _render_all(sources: list[Source], settings: RenderSettings, folder: Path, *, quiet: bool) -> Tally:
    from tqdm import tqdm

    tally = Tally()
    render = _render_elsewhere if settings.workers > 1 or settings.cluster else _render_here
    with tqdm(total=len(sources) * settings.views, unit="pair", disable=quiet or None, smoothing=0.05) as bar:
        for failure in render(sources, settings, folder, tally):
            if failure:
                bar.write(f"mcdenoise: {failure}", file=sys.stderr)
            bar.update(tally.finished - bar.n)
    return tally


def _render_here(
    sources: list[Source], settings: RenderSettings, folder: Path, tally: Tally
) -> Iterator[object]:
    for source in sources:
        yield from _render_scene(source, settings, folder, tally)


def _render_elsewhere(
    sources: list[Source], settings: RenderSettings, folder: Path, tally: Tally
) -> Iterator[object]:
    """Scenes on other processes or machines, which see the same folder under the same name."""
    tasks = [(source, settings, folder.resolve()) for source in sources]
    for number, done in cluster.run(_render_whole, tasks, workers=settings.workers, address=settings.cluster):
        if isinstance(done, str):
            yield tally.fail(SceneError(f"{sources[number].name}: its worker died or failed: {done}"),
                             views=settings.views)  # fmt: skip
        else:
            tally.add(done[0])
            yield from done[1] or [""]


def _render_whole(source: Source, settings: RenderSettings, folder: Path) -> tuple[Tally, list[str]]:
    """A scene in one go: what was counted, and the failures."""
    tally = Tally()
    failures = [str(failure) for failure in _render_scene(source, settings, folder, tally) if failure]
    return tally, failures


def _render_scene(
    source: Source, settings: RenderSettings, folder: Path, tally: Tally
) -> Iterator[McdenoiseError | None]:
    """Render the views of one scene that are missing; yields after each what went wrong, if anything."""
    jobs = pairs.plan(source.name, folder, views=settings.numbers, spps=settings.spps,
                      filters=settings.filters, size=settings.width_height, seed=settings.seed,
                      extra_spps=settings.extra_spps, clean_spp=settings.clean_spp,
                      clean_share=settings.clean_share,
                      changed_share=settings.changed_share, guides=settings.guides)  # fmt: skip
    missing = [job for job in jobs if not job.is_done]
    tally.present += len(jobs) - len(missing)
    yield None
    if not missing:
        return
    try:
        scene = source.open()
    except (NoInputError, SceneError, ExrError) as error:
        yield tally.fail(error, views=len(missing))
        return
    with closing(scene):
        for job in missing:
            yield _render_view(scene, job, settings, tally)


def _render_view(
    scene: OpenScene, job: pairs.Job, settings: RenderSettings, tally: Tally
) -> McdenoiseError | None:
    try:
        pairs.render(scene, job, camera_seed=settings.camera_seed)
    except SceneError as error:
        return tally.fail(error, views=1)
    tally.rendered += 1
    return None
