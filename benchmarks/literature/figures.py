"""One style for all figures of the literature's rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.literature.images import Picture

DPI = 64


def grid(count: int, *, columns: int = 3, height: float = 2.6) -> tuple[Any, list[Any]]:
    """A figure and its first `count` axes."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
                         "legend.frameon": False, "lines.linewidth": 1.2, "lines.markersize": 3})  # fmt: skip
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, height * rows), squeeze=False)
    for spare in axes.flat[count:]:
        spare.axis("off")
    return figure, list(axes.flat[:count])


def lines(axes: Any, curves: Mapping[str, Sequence[tuple[float, float]]], **about: Any) -> None:
    """A line a name; `about` as matplotlib's `Axes.set` takes it."""
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(**about)
    axes.legend()


def picture(axes: Any, shown: Picture, title: str) -> None:
    """A picture, 0 to 1 as displayed."""
    axes.imshow(np.clip(shown, 0, 1), interpolation="nearest")
    axes.set_title(title)
    axes.axis("off")


def save(figure: Any, path: Path) -> None:
    """Write a PNG of 256 colours and forget the figure."""
    from matplotlib import pyplot as plt
    from PIL import Image

    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
    with Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    small.save(path, optimize=True)
