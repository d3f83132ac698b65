"""Denoisers judged, and trained, by one noisy picture: what doesn't look at a pixel can't copy its noise."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.images import Picture
from benchmarks.literature.networks import UNet
from benchmarks.literature.results import Results
from mcdenoise.networks._contract import Denoising

STEPS = 300
WIDTH = 16
SIGMA = 51.0
RADII = tuple(range(1, 9))

KINDS: dict[str, Callable[[], tuple[list[Picture], list[Picture]]]] = {
    "photographs": lambda: (images.trained(), images.tested()),
    "handwriting": images.writing,
    "tissue": images.tissue,
}
LEARNED = {"N2S": sources.noise2self, "N2N": sources.noise2noise, "N2T": sources.noise2clean}


def measure(results: Results) -> None:
    """Both medians over the radius, and each kind of pictures by each method."""
    results.once("medians", medians)
    for kind in KINDS:
        results.once(f"plain | {kind}", partial(_plain, kind, results))
        for method in LEARNED:
            results.once(f"{method} | {kind}", partial(_learned, method, kind, results))


def medians() -> dict[str, list[dict[str, float]]]:
    """Of each median and radius the mean squared difference to the noisy picture, and to the clean one."""
    clean = images.tested()[1][..., 0]
    noise = np.random.default_rng(sources.SEED).normal(0, SIGMA / 255, clean.shape)
    around = {"median": True, "donut": False}
    return {
        name: [_differences(median(clean + noise, disk(r, has_middle=middle)), clean, noise) for r in RADII]
        for name, middle in around.items()
    }


def disk(radius: int, *, has_middle: bool) -> np.ndarray:
    """The pixels within a radius, with the one in the middle or without."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray((x**2 + y**2 <= radius**2) & (has_middle | (x**2 + y**2 > 0)))


def median(picture: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Of the pixels around each; of an even number the mean of the middle two."""
    middles = (around.sum() - 1) // 2, around.sum() // 2
    return np.asarray(sum(ndimage.rank_filter(picture, rank, footprint=around) for rank in middles) / 2)


def _differences(filtered: np.ndarray, clean: np.ndarray, noise: np.ndarray) -> dict[str, float]:
    return {"noisy": float(np.square(filtered - clean - noise).mean()),
            "clean": float(np.square(filtered - clean).mean())}  # fmt: skip


def _pictures(kind: str) -> tuple[list[Picture], list[Picture]]:
    tested = KINDS[kind]()[1]
    return tested, [found.values for found in sources.corrupted(tested, corruptions.gaussian((SIGMA, SIGMA)))]


def _plain(kind: str, results: Results) -> dict[str, float | None]:
    """Noisy, non-local means, and BM3D where its package is installed."""
    from skimage.restoration import denoise_nl_means

    clean, noisy = _pictures(kind)
    sigma = SIGMA / 255
    found = [denoise_nl_means(each, 5, 6, 0.8 * sigma, sigma=sigma, channel_axis=2) for each in noisy]
    results.keep(f"noisy {kind}", noisy[0])
    results.keep(f"NLM {kind}", found[0])
    return {
        "noisy": learning.psnr(noisy, clean),
        "NLM": learning.psnr(found, clean),
        "BM3D": _bm3d(noisy, clean),
    }


def _bm3d(noisy: list[Picture], clean: list[Picture]) -> float | None:
    try:
        import bm3d  # its licence is for non-commercial use, so it is no dependency
    except ImportError:
        return None
    return learning.psnr([bm3d.bm3d_rgb(each, SIGMA / 255) for each in noisy], clean)


def _learned(method: str, kind: str, results: Results) -> float:
    clean, noisy = _pictures(kind)
    pairing = LEARNED[method](corruptions.gaussian((SIGMA, SIGMA)))
    source = sources.batches(KINDS[kind]()[0], pairing)
    network, _ = learning.fit(partial(UNet, WIDTH), source, results.steps)
    found = [blind(network, each) for each in noisy] if method == "N2S" else learning.denoised(network, noisy)
    results.keep(f"{method} {kind}", found[0])
    return learning.psnr(found, clean)


def blind(network: Denoising, noisy: Picture) -> Picture:
    """Each pixel from a picture that doesn't hold it, as in training: seen, a pixel would be copied."""
    found, around = np.zeros_like(noisy), sources.neighbours(noisy)
    for y, x in product(range(sources.GRID), repeat=2):
        chosen = sources.grid(noisy, y, x)
        (shown,) = learning.denoised(network, [np.where(chosen > 0, around, noisy)])
        found += chosen * shown
    return found


def tables(results: Results) -> list[page.Table]:
    """A row per median; a row per kind of pictures."""
    radii = [["", "best radius by the noisy picture", "by the clean one", "gap there", "noise variance"]]
    for name, points in results.found["medians"].items():
        by_noisy, by_clean = (best(points, to) for to in ("noisy", "clean"))
        gap = points[by_clean]["noisy"] - points[by_clean]["clean"]
        numbers = (page.number(value, 4) for value in (gap, (SIGMA / 255) ** 2))
        radii.append([name, str(RADII[by_noisy]), str(RADII[by_clean]), *numbers])
    methods = [["PSNR, dB", "noisy", "NLM", "BM3D", *LEARNED]]
    for kind in KINDS:
        plain = results.found[f"plain | {kind}"]
        values = [*plain.values(), *(results.found[f"{method} | {kind}"] for method in LEARNED)]
        methods.append([kind, *("-" if value is None else page.number(value) for value in values)])
    return [radii, methods]


def best(points: list[dict[str, float]], to: str) -> int:
    """Which point is closest to the noisy picture, or to the clean one."""
    return min(range(len(points)), key=lambda n: points[n][to])


def draw(results: Results) -> Any:
    """The medians' differences, and a picture of each kind by each method."""
    figure, axes = figures.grid(4 + 4 * len(KINDS), columns=4)
    for place, (name, points) in zip(axes, results.found["medians"].items(), strict=False):
        curves = {f"to the {to} picture": [(r, p[to]) for r, p in zip(RADII, points, strict=True)]
                  for to in ("noisy", "clean")}  # fmt: skip
        figures.lines(place, curves, title=name, xlabel="radius, pixels", ylabel="mean squared difference")
    for spare in axes[2:4]:
        spare.axis("off")
    for row, kind in enumerate(KINDS, 1):
        for place, method in zip(axes[4 * row :], ("noisy", "NLM", "N2S", "N2N"), strict=False):
            figures.picture(place, results.picture(f"{method} {kind}")[:128, :128], f"{kind}: {method}")
    return figure
