"""How far a denoised picture is from a reference, after docs/architecture.md's rules of measuring.

All functions take scene-linear RGB, h w 3 float32, compute in float64 and never clip what they compare,
except `psnr` and `ssim`, which look at the tone-mapped picture. NaN or Inf in a picture gives NaN.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

Image = Float32[np.ndarray, "h w 3"]
Display = Float32[np.ndarray, "h w 3"]
Luminance = Float64[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]

EPSILON = 0.01  # keeps the relative metrics finite on black
MIDDLE_GREY = 0.18
REC709 = (0.2126, 0.7152, 0.0722)
SSIM_WINDOW = 7  # scikit-image's default side, in pixels
# The metrics by name, and how each is written.
COLUMNS = {
    "relmse": "{:.6f}",
    "smape": "{:.5f}",
    "psnr": "{:.2f}",
    "ssim": "{:.4f}",
    "energy": "{:.4f}",
    "energy_dark": "{:.4f}",
    "energy_bright": "{:.4f}",
}


@dataclass(frozen=True)
class Scores:
    """All metrics of one picture against one reference; lower is better only for `relmse` and `smape`."""

    relmse: float
    smape: float
    psnr: float
    ssim: float
    energy: float
    energy_dark: float
    energy_bright: float

    def for_json(self) -> dict[str, float | None]:
        """By name; None for NaN and Inf, which JSON has no word for."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def table(scores: Mapping[str, Scores]) -> list[list[str]]:
    """A row of texts for each picture, its name first, below a heading."""
    heading = ["", *(name.removeprefix("energy_") for name in COLUMNS)]
    return [heading, *([name, *(form.format(getattr(score, column)) for column, form in COLUMNS.items())]
                       for name, score in scores.items())]  # fmt: skip


def measure(image: Image, reference: Image, *, second_half: Image | None = None) -> Scores:
    """Every metric of this module at once; `reference` and `second_half` are independent renders."""
    whole = mean(reference, second_half)
    dark, bright = extreme_deciles(reference)
    # Chosen by one half and compared with the other, so that the choice can't follow the reference's noise.
    values = reference if second_half is None else second_half
    return Scores(
        relmse=relmse(image, reference, second_half=second_half),
        smape=smape(image, whole),
        psnr=psnr(image, whole),
        ssim=ssim(image, whole),
        energy=energy_ratio(image, whole),
        energy_dark=energy_ratio(image, values, where=dark),
        energy_bright=energy_ratio(image, values, where=bright),
    )


def relmse(image: Image, reference: Image, *, second_half: Image | None = None) -> float:
    """Mean of (f - r)² / (r² + 0.01); with two halves of the reference, of (f - r1)(f - r2) / (r² + 0.01).

    In the second form r = (r1 + r2) / 2 and the expectation of the numerator is the true squared error, so
    it can come out below zero where the picture is better than the reference's own noise. (The noise left in
    the denominator still biases it: less than 10 % at 5 % noise a half, see tests/test_metrics.py.)

    Source: for the first form Rousselle et al. 2011, "Adaptive Sampling and Reconstruction using Greedy
        Error Minimization".
    """
    f, r1 = _float64(image), _float64(reference)
    r2 = r1 if second_half is None else _float64(second_half)
    r = (r1 + r2) / 2
    return float(np.mean((f - r1) * (f - r2) / (r**2 + EPSILON)))


def smape(image: Image, reference: Image) -> float:
    """Mean of |f - r| / (|f| + |r| + 0.01): 0 for equal pictures, below 1 for any.

    Source: Vogels et al. 2018, "Denoising with Kernel Prediction and Asymmetric Loss Functions".
    """
    f, r = _float64(image), _float64(reference)
    return float(np.mean(np.abs(f - r) / (np.abs(f) + np.abs(r) + EPSILON)))


def energy_ratio(image: Image, reference: Image, *, where: Mask | None = None) -> float:
    """Mean of the picture over the mean of the reference, on the pixels `where`; NaN if that one is black.

    1 means that no light was lost or invented: the check for a biased loss.
    """
    chosen = np.ones(image.shape[:2], dtype=bool) if where is None else where
    total = float(_float64(reference)[chosen].mean())
    return float(_float64(image)[chosen].mean()) / total if total != 0 else math.nan


def extreme_deciles(reference: Image) -> tuple[Mask, Mask]:
    """Masks of the darkest and of the brightest tenth of the pixels, by luminance; ties are all taken in."""
    light = luminance(reference)
    low, high = np.quantile(light, (0.1, 0.9))
    return light <= low, light >= high


def psnr(image: Image, reference: Image) -> float:
    """10 log10(1 / mean squared error) in dB after `tone_map`; infinite for equal pictures."""
    exposure = exposure_for(reference)
    difference = _float64(tone_map(image, exposure)) - _float64(tone_map(reference, exposure))
    error = float(np.mean(difference**2))
    return -10 * math.log10(error) if error != 0 else math.inf


def ssim(image: Image, reference: Image) -> float:
    """Structural similarity after `tone_map`, -1 to 1, with a 7x7 window (smaller on a smaller picture).

    NaN below 3x3 pixels, on non-finite input, and where scikit-image isn't installed (mcdenoise[bench]).

    Source: Wang et al. 2004, "Image Quality Assessment", eq. 13, as scikit-image has it.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        return math.nan
    window = min(SSIM_WINDOW, (min(image.shape[:2]) - 1) // 2 * 2 + 1)
    if window < 3 or not (np.isfinite(image).all() and np.isfinite(reference).all()):
        return math.nan
    exposure = exposure_for(reference)
    pictures = tone_map(image, exposure), tone_map(reference, exposure)
    return float(structural_similarity(*pictures, win_size=window, data_range=1.0, channel_axis=2))


def exposure_for(reference: Image) -> float:
    """The factor that brings the log-average luminance of the lit pixels to 0.18; 1 for a black picture.

    Luminances below 1/10000 of their mean count as that, so that nearly black pixels can't rule the average.

    Source: Reinhard et al. 2002, "Photographic Tone Reproduction for Digital Images", eq. 1 and 2.
    """
    light = luminance(reference)
    lit = light[light > 0]
    if not lit.size or not np.isfinite(lit).all():
        return 1.0
    return MIDDLE_GREY / math.exp(float(np.mean(np.log(np.maximum(lit, 1e-4 * lit.mean())))))


def tone_map(image: Image, exposure: float) -> Display:
    """Exposure, Reinhard x / (1 + x), then the power 1/2.2: 0 to 1, for the eye and for `psnr` and `ssim`."""
    exposed = np.maximum(_float64(image) * exposure, 0)
    # 1 - 1 / (1 + x) is x / (1 + x), and 1 instead of NaN for an infinite pixel.
    return np.clip((1 - 1 / (1 + exposed)) ** (1 / 2.2), 0, 1).astype(np.float32)


def luminance(image: Image) -> Luminance:
    """Relative luminance of linear Rec. 709 RGB."""
    return np.asarray(_float64(image) @ np.array(REC709))


def mean(first: Image, second: Image | None) -> Image:
    """Of the halves of a picture; the first where there is no second."""
    if second is None:
        return first
    return np.asarray((_float64(first) + _float64(second)) / 2, dtype=np.float32)


def geometric_mean(values: Iterable[float]) -> float:
    """The mean for ratios: exp of the mean log.

    Raises:
        ValueError: there is no value, or one isn't above zero.
    """
    logs = [math.log(value) for value in values]
    if not logs:
        raise ValueError("the geometric mean of no values")
    return math.exp(sum(logs) / len(logs))


def _float64(image: Image) -> Float64[np.ndarray, "h w 3"]:
    return image.astype(np.float64)
