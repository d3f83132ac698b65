"""Are the renders of a view independent, with the same mean? Over many views, by statistics.

    python -m benchmarks.independence PAIRS_OR_SHARDS

Noise2Noise rests on it. Per view with four renders a, b, c, d, on luminance, as means over blocks of 8x8
pixels, since pixel filters that splat join the noise of neighbours:

- *independence*: the mean of (a - c)(b - d) over the blocks is 0, whatever the picture and the noise;
- *means*: so is that of a - b, and of c - d.

Each in its standard error is a z, normal with variance 1 if all is well; the table says how far their mean
and spread are from that. A seed that two renders share gives z far beyond 3.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mcdenoise import dataset
from mcdenoise.encoding import LUMINANCE
from mcdenoise.errors import McdenoiseError
from mcdenoise.views import View

BLOCK = 8


@dataclass(frozen=True)
class Finding:
    """What one statistic says over all views: its z-values, one a view."""

    name: str
    z: np.ndarray

    @property
    def of_mean(self) -> float:
        """The mean of z, in its own standard error: within 3 but once in 370 if nothing is wrong."""
        return float(self.z.mean() * np.sqrt(len(self.z)) / max(float(self.z.std()), 1e-9))

    @property
    def beyond(self) -> float:
        """The share of views with |z| over 3: 0.0027 of normal ones."""
        return float((np.abs(self.z) > 3).mean())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.independence", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="PAIRS_OR_SHARDS")
    arguments = parser.parse_args()
    try:
        views, _ = dataset.load(arguments.folder)
    except McdenoiseError as error:
        print(f"benchmarks.independence: {error}", file=sys.stderr)
        return error.exit_code
    print(as_markdown(measure(tqdm(views, unit="view", leave=False))))
    return 0


def measure(views: Iterable[View]) -> list[Finding]:
    """Both statistics; views of two renders have the second only, views without noise none."""
    shared: list[float] = []
    shifted: list[float] = []
    for view in views:
        renders = [_blocks(np.asarray(render["color"][:], np.float64) @ LUMINANCE) for render in view.renders]
        if len(renders) > 3:
            shared += _z((renders[0] - renders[2]) * (renders[1] - renders[3]))
        for one, other in zip(renders[::2], renders[1::2], strict=False):
            shifted += _z(one - other)
    return [Finding("noise is independent", np.array(shared)), Finding("means are equal", np.array(shifted))]


def as_markdown(findings: Sequence[Finding]) -> str:
    """A row per statistic."""
    head = ["| statistic | z-values | mean of z | standard deviation | mean, in its error | beyond 3 |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    return "\n".join([*head, *map(_row, findings)])


def _row(finding: Finding) -> str:
    if not len(finding.z):
        return f"| {finding.name} | 0 | - | - | - | - |"
    return (f"| {finding.name} | {len(finding.z)} | {finding.z.mean():.3f} | {finding.z.std():.3f}"
            f" | {finding.of_mean:.2f} | {finding.beyond:.4f} |")  # fmt: skip


def _blocks(picture: np.ndarray) -> np.ndarray:
    """The mean of each block; what is left over at the edges is left out."""
    height, width = (side // BLOCK * BLOCK for side in picture.shape)
    blocks = picture[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return np.asarray(blocks.mean((1, 3)))


def _z(values: np.ndarray) -> list[float]:
    """The mean of `values` in its standard error; nothing where they don't vary."""
    error = values.std() / np.sqrt(values.size)
    return [float(values.mean() / error)] if error > 1e-12 else []


if __name__ == "__main__":
    sys.exit(main())
