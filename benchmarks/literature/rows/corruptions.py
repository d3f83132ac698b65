"""Noisy targets against clean ones, for every corruption: same network, inputs and steps."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.corruptions import Corruption
from benchmarks.literature.networks import UNet
from benchmarks.literature.results import Results

STEPS = 300
WIDTH = 16
# Of the pictures tested on: the cat.
SHOWN = 2


@dataclass(frozen=True)
class Case:
    """How pictures are corrupted to learn from and to be tested on, how many times the row's steps
    that takes, and the paper's dB for clean and noisy targets where we know them."""

    learned: Corruption
    tested: Corruption
    loss: str = "l2"
    times: int = 1
    paper: str = "-"


# Source of the numbers: Lehtinen et al. 2018, table 1 and section 3.1.
CASES = {
    "Gaussian, sigma 25": Case(
        corruptions.gaussian((25, 25)), corruptions.gaussian((25, 25)), paper="31.63 / 31.61"
    ),
    "Gaussian, blind 0 to 50": Case(corruptions.gaussian((0, 50)), corruptions.gaussian((25, 25))),
    "correlated, blind 0 to 50": Case(
        corruptions.gaussian((0, 50), blur=1.0), corruptions.gaussian((25, 25), blur=1.0)
    ),
    "Poisson": Case(corruptions.poisson((1, 50)), corruptions.poisson((30, 30)), paper="30.59 / 30.57"),
    "Bernoulli, masked": Case(
        corruptions.bernoulli((0.5, 0.5)), corruptions.bernoulli((0.5, 0.5)), times=3, paper="31.85 / 32.02"
    ),
    "text": Case(corruptions.text((0.0, 0.5)), corruptions.text((0.25, 0.25)), "l1", 4),
    "impulse": Case(corruptions.impulse((0.0, 0.95)), corruptions.impulse((0.7, 0.7)), "l0", 4),
}
TARGETS = {"clean": sources.noise2clean, "noisy": sources.noise2noise}


def measure(results: Results) -> None:
    """Of each case: the corrupted pictures' PSNR, and a curve for each kind of target."""
    for name, case in CASES.items():
        results.once(name, partial(_compare, name, case, results))


def _compare(name: str, case: Case, results: Results) -> dict[str, Any]:
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, case.tested)]
    told: dict[str, Any] = {"corrupted": learning.psnr(noisy, clean)}
    results.keep(f"{name} corrupted", noisy[SHOWN])
    for target, pairing in TARGETS.items():
        network, told[target] = learning.fit(
            partial(UNet, WIDTH),
            sources.batches(images.trained(), pairing(case.learned)),
            case.times * results.steps,
            loss=case.loss,
            look=partial(learning.score, noisy, clean),
        )
        results.keep(f"{name} {target}", learning.denoised(network, noisy[SHOWN:])[0])
    return told


def tables(results: Results) -> list[page.Table]:
    """A row per corruption."""
    head = ["corruption", "loss", "steps", "corrupted, dB", "clean targets", "noisy targets", "noisy - clean",
            "paper: clean / noisy"]  # fmt: skip
    return [[head, *(_row(name, CASES[name], told) for name, told in results.found.items())]]


def _row(name: str, case: Case, told: dict[str, Any]) -> list[str]:
    clean, noisy = (told[target][-1][1] for target in TARGETS)
    cells = [told["corrupted"], clean, noisy]
    return [
        name,
        case.loss,
        str(told["clean"][-1][0]),
        *map(page.number, cells),
        f"{noisy - clean:+.2f}",
        case.paper,
    ]


def draw(results: Results) -> Any:
    """Of each case the curves, and a corner of a picture: corrupted, from clean targets, from noisy ones."""
    figure, axes = figures.grid(4 * len(results.found), columns=4, height=2.2)
    for number, (name, told) in enumerate(results.found.items()):
        own = axes[4 * number : 4 * number + 4]
        figures.lines(own[0], {t: told[t] for t in TARGETS}, title=name, ylabel="PSNR, dB")
        for place, shown in zip(own[1:], ("corrupted", *TARGETS), strict=True):
            picture = results.picture(f"{name} {shown}")[32:96, 32:96]
            figures.picture(place, picture, shown if number == 0 else "")
    return figure
