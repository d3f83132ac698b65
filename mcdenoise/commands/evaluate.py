"""`mcdenoise evaluate`: how far pictures are from a reference."""

import argparse
import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mcdenoise.commands import _terminal
from mcdenoise.errors import FrameError, McdenoiseError

if TYPE_CHECKING:
    from mcdenoise.metrics import Image, Scores

HELP = "measure pictures against a reference: relMSE, SMAPE, PSNR, SSIM, energy"
EXAMPLES = """\
examples:
  mcdenoise evaluate denoised.exr --reference clean.exr
  mcdenoise evaluate noisy.exr denoised.exr --reference clean.a.exr --reference2 clean.b.exr
  mcdenoise evaluate denoised.exr --reference clean.exr --json > scores.json
  mcdenoise evaluate noisy.exr denoised.exr --reference clean.exr --html compare.html

relMSE and SMAPE: lower is better. PSNR (dB) and SSIM look at the tone-mapped picture: higher is better.
energy: mean of the picture over mean of the reference; 1 keeps all light. dark, bright: the same over the
darkest and the brightest tenth of the pixels. With two halves of a reference (two renders with different
seeds) relMSE doesn't count the reference's own noise.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.exr", help="pictures to measure")
    parser.add_argument("--reference", type=Path, required=True, metavar="FILE.exr", help="the clean picture")
    parser.add_argument("--reference2", type=Path, metavar="FILE.exr", help="its other half, another seed")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument(
        "--html", type=Path, metavar="FILE.html", help="write a page to compare them: slider, zoom, error map"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure each file; one bad file doesn't stop the rest, and its error's code is returned."""
    from mcdenoise import exr, metrics

    reference = exr.read_frame(arguments.reference).color
    second_half = _second_half(arguments, reference)
    scores: dict[str, Scores] = {}
    images: dict[str, Image] = {}
    exit_code = 0
    for path in arguments.files:
        try:
            image = _color_of_size(path, reference)
        except McdenoiseError as error:
            _terminal.report(error)
            exit_code = error.exit_code
        else:
            scores[str(path)] = metrics.measure(image, reference, second_half=second_half)
            if arguments.html:
                images[str(path)] = image
    print(_as_json(arguments, scores) if arguments.json else _as_table(scores))
    if images:
        _write_page(arguments, images, metrics.mean(reference, second_half), metrics.table(scores))
    if find_spec("skimage") is None:
        print("ssim: needs scikit-image; pip install 'mcdenoise[bench]'", file=sys.stderr)
    return exit_code


def _write_page(
    arguments: argparse.Namespace, images: "dict[str, Image]", reference: "Image", table: list[list[str]]
) -> None:
    """The first and the last file beside each other, whatever else there is to choose.

    Raises:
        UsageError: nothing can be written there.
    """
    from mcdenoise import page

    first, last = next(iter(images)), next(reversed(images))
    comparison = page.Comparison(
        title=arguments.reference.name,
        images={**images, page.REFERENCE: reference},
        shown=(first, page.REFERENCE if first == last else last),
        table=table,
    )
    page.write(arguments.html, comparison)


def _second_half(arguments: argparse.Namespace, reference: "Image") -> "Image | None":
    return _color_of_size(arguments.reference2, reference) if arguments.reference2 else None


def _color_of_size(path: Path, reference: "Image") -> "Image":
    from mcdenoise import exr

    color = exr.read_frame(path).color
    if color.shape != reference.shape:
        sizes = f"{color.shape[1]}x{color.shape[0]}, the reference {reference.shape[1]}x{reference.shape[0]}"
        raise FrameError(f"{path}: is {sizes}; compare pictures of one size")
    return color


def _as_table(scores: "Mapping[str, Scores]") -> str:
    from mcdenoise import metrics

    rows = metrics.table(scores)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
    ]
    return "  ".join(cells).rstrip()


def _as_json(arguments: argparse.Namespace, scores: "Mapping[str, Scores]") -> str:
    references = [str(path) for path in (arguments.reference, arguments.reference2) if path]
    files = {path: score.for_json() for path, score in scores.items()}
    return json.dumps({"references": references, "files": files}, indent=2, allow_nan=False)
