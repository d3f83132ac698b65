"""A picture from a part of its spectrum, learned from pairs of other parts."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.literature import figures, images, learning, page, sources
from benchmarks.literature.images import PHANTOM_SIDE, Picture
from benchmarks.literature.networks import FourierConsistent, UNet
from benchmarks.literature.results import Results
from mcdenoise.networks._contract import Denoising

STEPS = 600
WIDTH = 16
# How fast the chance that a frequency is measured falls, per cycle in a picture, and where it ends.
FALL, LEAST = 0.08, 0.1
LEARNED, TESTED = 100, 8

ARMS: dict[str, tuple[Callable[[int], Denoising], bool]] = {
    "N2C, measured kept": (FourierConsistent, True),
    "N2N, measured kept": (FourierConsistent, False),
    "N2N, nothing kept": (UNet, False),
}


def measure(results: Results) -> None:
    """A curve for each arm."""
    for name in ARMS:
        results.once(name, partial(_curve, name, results))


def chances() -> np.ndarray:
    """Of each frequency of a real picture, h w/2+1: how likely it is measured."""
    y, x = np.fft.fftfreq(PHANTOM_SIDE, 1 / PHANTOM_SIDE), np.arange(PHANTOM_SIDE // 2 + 1)
    return np.asarray(np.maximum(np.exp(-FALL * np.hypot(y[:, None], x)), LEAST))


def measured(picture: Picture, chance: np.random.Generator) -> tuple[Picture, Picture]:
    """What a measurement knows, the rest 0; and that over its chances, the picture on average."""
    likely = chances()
    taken = chance.uniform(size=likely.shape) < likely
    for column in (0, -1):  # where a frequency's mirror lies in the same column
        taken[PHANTOM_SIDE // 2 + 1 :, column] = taken[PHANTOM_SIDE // 2 - 1 : 0 : -1, column]
    spectrum = np.fft.rfft2(picture[..., 0]) * taken
    both = (np.fft.irfft2(part, s=picture.shape[:2]) for part in (spectrum, spectrum / likely))
    zero_filled, weighted = (np.repeat(part[..., None], 3, axis=2).astype(np.float32) for part in both)
    return zero_filled, weighted


def pairing(*, is_clean: bool) -> sources.Pairing:
    """A measurement, and another one or the picture itself."""

    def pair(picture: Picture, chance: np.random.Generator) -> sources.Triple:
        one, other = chance.spawn(2)
        target = picture if is_clean else measured(picture, other)[1]
        return measured(picture, one)[0], target, np.ones_like(picture)

    return pair


def _curve(name: str, results: Results) -> dict[str, Any]:
    network_of, is_clean = ARMS[name]
    pictures = images.phantoms(LEARNED + TESTED, np.random.default_rng(sources.SEED))
    clean = pictures[LEARNED:]
    known = [
        measured(picture, np.random.default_rng([sources.SEED, n]))[0] for n, picture in enumerate(clean)
    ]
    source = sources.batches(pictures[:LEARNED], pairing(is_clean=is_clean), side=PHANTOM_SIDE)
    look = partial(learning.score, known, clean)
    network, curve = learning.fit(partial(network_of, WIDTH), source, results.steps, look=look)
    shown = {"truth": clean[0], "measured": known[0], name: learning.denoised(network, known[:1])[0]}
    for title, picture in shown.items():
        results.keep(title, picture)
    return {"measured": learning.psnr(known, clean), "curve": curve}


def tables(results: Results) -> list[page.Table]:
    """A row per arm."""
    rows = [["trained with", "share of frequencies measured", "zero-filled, dB", "PSNR after all steps, dB"]]
    for name in ARMS:
        told = results.found[name]
        last = told["curve"][-1][1]
        share = f"{100 * chances().mean():.0f} %"
        rows.append([name, share, page.number(told["measured"]), page.number(last)])
    return [rows]


def draw(results: Results) -> Any:
    """The curves, and a phantom."""
    figure, axes = figures.grid(6)
    curves = {name: results.found[name]["curve"] for name in ARMS}
    figures.lines(axes[0], curves, xlabel="steps", ylabel="PSNR, dB")
    for place, name in zip(axes[1:], ("truth", "measured", *ARMS), strict=True):
        figures.picture(place, results.picture(name), name)
    return figure
