"""Training data an hour: our harness beside a plain loop over Mitsuba, same made-up places, taking turns.

    python -m benchmarks.rendering --scenes 4 --rounds 2

*plain* is what a script does: open the place, and for each of its 3 views make a camera and render two seeds
of 160x160 pixels at the view's own spp (2 to 16). *ours* is `mcdenoise render` with the settings of the
shipped model's data, of the same size: 8 views a place, four renders each, kernels kept from view to view,
two processes. Each run starts with no kernel in Dr.Jit's cache. Counted are megapixels times samples, and
views, an hour, from exec to exit.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcdenoise import exr
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame
from renderers.backends.mitsuba import AOVS, MAX_DEPTH
from renderers.scenes import procedural

SIZE, SPPS, PLAIN_VIEWS, VIEWS = 160, (2, 4, 8, 16), 3, 8
EXTRA = "16,32,32,64"
PROCESSES = 2

# The command that renders so many places from a first one into a folder.
Way = Callable[[Path, int, int], list[str]]


@dataclass(frozen=True)
class Yield:
    """What a run made in how many seconds."""

    megasamples: float
    views: int
    seconds: float

    @property
    def per_hour(self) -> float:
        """Megapixels times samples an hour."""
        return self.megasamples * 3600 / self.seconds


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.rendering", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=int, default=4, metavar="N", help="places per run (default: 4)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="(default: 2)")
    parser.add_argument("--first-scene", type=int, default=500_000, metavar="N")
    parser.add_argument("--plain-into", type=Path, help=argparse.SUPPRESS)  # the child that renders plainly
    arguments = parser.parse_args()
    if arguments.plain_into:
        _render_plainly(arguments.plain_into, arguments.first_scene, arguments.scenes)
        return 0
    ways: dict[str, Way] = {"plain": _plain, "ours": _ours}
    made: dict[str, list[Yield]] = {name: [] for name in ways}
    try:
        for number in range(arguments.rounds):
            first = arguments.first_scene + number * arguments.scenes
            for name, way in ways.items():
                made[name].append(_run(way, first, arguments.scenes))
    except McdenoiseError as error:
        print(f"benchmarks.rendering: {error}", file=sys.stderr)
        return error.exit_code
    print(as_markdown(made))
    return 0


def as_markdown(made: dict[str, list[Yield]]) -> str:
    """A row per way, and how many times as much ours makes."""
    rows = ["| way | views an hour | megapixels x samples an hour | round by round |", "|---|---|---|---|"]
    for name, runs in made.items():
        hours = sum(run.seconds for run in runs) / 3600
        each = ", ".join(f"{run.per_hour:.0f}" for run in runs)
        total = sum(run.megasamples for run in runs) / hours
        rows.append(f"| {name} | {sum(run.views for run in runs) / hours:.0f} | {total:.0f} | {each} |")
    ratios = [o.per_hour / p.per_hour for o, p in zip(made["ours"], made["plain"], strict=True)]
    rows.append(f"\nours / plain: {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})")
    return "\n".join(rows)


def _run(way: Way, first: int, scenes: int) -> Yield:
    """A way from exec to exit, in a home without cached kernels."""
    with tempfile.TemporaryDirectory() as home:
        pairs = Path(home) / "pairs"
        begin = time.perf_counter()
        told = subprocess.run(way(pairs, first, scenes), env={**os.environ, "HOME": home}, check=False)  # noqa: S603
        seconds = time.perf_counter() - begin
        if told.returncode:
            raise McdenoiseError(f"{way.__name__}: ended with {told.returncode}; what it said is above")
        return _count(pairs, seconds)


def _count(pairs: Path, seconds: float) -> Yield:
    paths = list(pairs.glob("*.exr"))
    samples = [int(exr.read_frame(path).attributes["mcdenoise.spp"]) for path in paths]
    return Yield(
        SIZE * SIZE * sum(samples) / 1e6, sum(path.name.endswith(".a.exr") for path in paths), seconds
    )


def _plain(pairs: Path, first: int, scenes: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.rendering", "--plain-into", str(pairs),
            "--first-scene", str(first), "--scenes", str(scenes)]  # fmt: skip


def _ours(pairs: Path, first: int, scenes: int) -> list[str]:
    return [sys.executable, "-m", "mcdenoise", "render", "--procedural", str(scenes), "--quiet",
            "-o", str(pairs), "--first-scene", str(first), "--workers", str(PROCESSES), "--views", str(VIEWS),
            "--spp", ",".join(map(str, SPPS)), "--extra-spp", EXTRA, "--size", f"{SIZE}x{SIZE}"]  # fmt: skip


def _render_plainly(pairs: Path, first: int, scenes: int) -> None:
    pairs.mkdir()
    for number in range(first, first + scenes):
        scene, chance = procedural.open_scene(number, None), np.random.default_rng(number)
        mi = scene._mi
        integrator = mi.load_dict(
            {"type": "aov", "aovs": AOVS, "i": {"type": "path", "max_depth": MAX_DEPTH}}
        )
        film = {"type": "hdrfilm", "width": SIZE, "height": SIZE, "rfilter": {"type": "box"}}
        for view in range(PLAIN_VIEWS):
            scene.look(view, chance)
            sensor = mi.load_dict({"type": "perspective", "fov": scene._fov, "film": film,
                                   "to_world": mi.ScalarTransform4f(scene._camera)})  # fmt: skip
            spp = int(chance.choice(SPPS))
            for letter in "ab":
                image = mi.render(scene._scene, sensor=sensor, integrator=integrator, spp=spp,
                                  seed=int(chance.integers(2**30)))  # fmt: skip
                planes = np.split(np.array(image)[..., :10].astype(np.float32), [3, 6, 9], axis=2)
                frame = Frame(dict(zip(("color", "albedo", "normal", "depth"), planes, strict=True)),
                              {"mcdenoise.spp": spp})  # fmt: skip
                exr.write_frame(pairs / f"{number}.v{view}.{letter}.exr", frame)


if __name__ == "__main__":
    sys.exit(main())
