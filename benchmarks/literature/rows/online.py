"""A camera's path, denoised by what was learned on the way: two renders a frame, eight steps, the next."""

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.literature import figures, page
from benchmarks.literature.learning import Student, fit
from benchmarks.literature.networks import Guided
from benchmarks.literature.results import Results
from benchmarks.literature.rows import monte_carlo
from mcdenoise import engine, metrics
from mcdenoise.dataset import Batch
from mcdenoise.frame import Frame
from mcdenoise.networks._contract import Denoising
from mcdenoise.views import View

# Frames on the path here: each is worth `STEPS_A_FRAME` of training.
STEPS = 200
STEPS_A_FRAME = 8
# Of what is trained before: on the places of the row monte-carlo, with their cleaner renders as targets.
STEPS_BEFORE = 600
WIDTH = 16
SIZE, SPP = 64, 8
# Every so many frames have a reference.
LOOK_EVERY, REFERENCE_SPP = 10, 128
# Where the path begins: as the scene has it.
SCENE = Path("examples/scenes/study.xml")
ORIGIN, TARGET, FOV = (1.12, 1.45, 2.62), (-0.4, 0.96, -0.75), 55.0


CROP = 32


class Stop(NamedTuple):
    """A frame of the path: two renders, and what they should be where that is known."""

    view: View
    truth: np.ndarray | None


def measure(results: Results) -> None:
    """PSNR over the path, by networks that begin untrained or trained, and learn or don't."""
    results.once("psnr", partial(_over_the_path, results))


def path(count: int) -> Iterator[Stop]:
    """A turn of the head and two steps to the side, and back."""
    from renderers.backends._contract import Shot
    from renderers.backends.mitsuba import MitsubaScene
    from renderers.cameras import look_at

    scene = MitsubaScene.from_file(SCENE)

    def shot(number: int, seed: int, spp: int) -> Frame:
        return scene.render(Shot(spp, 10 * number + seed, "box", SIZE, SIZE))

    for number in range(count):
        angle = 2 * np.pi * number / count
        origin = np.add(ORIGIN, [0.5 * np.sin(angle), 0.0, 0.0])
        target = np.add(TARGET, [np.sin(angle + 0.6), 0.3 * np.sin(2 * angle), 0.0])
        scene.place(look_at(origin, target, np.array([0.0, 1.0, 0.0])), FOV)
        halves = [shot(number, seed, SPP) for seed in (1, 2)]
        has_truth = number % LOOK_EVERY == 0
        truth = shot(number, 3, REFERENCE_SPP).color if has_truth else None
        yield Stop(View(scene.name, f"{number:04}", tuple(h.planes for h in halves), (SPP, SPP)), truth)


def _over_the_path(results: Results) -> dict[str, list[tuple[int, float]]]:
    before = _trained_before(results.pairs)
    steps = results.steps * STEPS_A_FRAME
    students = {
        "untrained, learns": Student(partial(Guided, WIDTH), steps, "relative_l2", 2e-3),
        "trained before, learns": Student(lambda: copy.deepcopy(before), steps, "relative_l2", 5e-4),
    }
    seen: dict[str, list[tuple[int, float]]] = {name: [] for name in ("noisy", "trained before", *students)}
    for number, stop in enumerate(path(results.steps)):
        networks = {"trained before": before, **{name: s.network for name, s in students.items()}}
        if stop.truth is not None:
            shown = {name: denoised(network, stop.view) for name, network in networks.items()}
            shown["noisy"] = np.asarray(np.mean([stop.view.frame(n).color for n in (0, 1)], axis=0))
            for name, picture in shown.items():
                seen[name].append((number, metrics.psnr(picture, stop.truth)))
        for student in students.values():
            student.learn(_batches(stop.view, number), STEPS_A_FRAME)
    return seen


def _batches(view: View, number: int) -> Iterator[Batch]:
    """Crops of one frame, either render the other's target."""
    return monte_carlo.crops([view], CROP, first_step=number * STEPS_A_FRAME)


def _trained_before(pairs: Path) -> Denoising:
    views = monte_carlo.load(pairs)
    source = monte_carlo.batches(views, monte_carlo.ARMS["L_HDR: T(x), cleaner y"])
    network, _ = fit(partial(Guided, WIDTH), source, STEPS_BEFORE, loss="relative_l2", learning_rate=1e-3)
    return network


def denoised(network: Denoising, view: View) -> np.ndarray:
    """The mean of both renders, each denoised. Source: Lehtinen et al. 2018, section 3.3."""
    device = next(network.parameters()).device
    return np.asarray(
        np.mean([engine.denoise(network, view.frame(n), device=device)[0] for n in (0, 1)], axis=0)
    )


def tables(results: Results) -> list[page.Table]:
    """A row per start: the mean over the path's quarters."""
    rows = [["PSNR, dB", *(f"quarter {number} of the path" for number in range(1, 5))]]
    for name, points in results.found["psnr"].items():
        quarters = np.array_split([value for _, value in points], 4)
        rows.append([name, *(page.number(float(quarter.mean())) for quarter in quarters)])
    return [rows]


def draw(results: Results) -> Any:
    """PSNR over frames."""
    figure, (axes,) = figures.grid(1, height=4)
    figure.set_figwidth(6)
    figures.lines(axes, results.found["psnr"], xlabel="frame", ylabel="PSNR, dB")
    return figure
