"""Writes the crops on which a fine-tuned model may not be worse: of made-up places, from our own renders.

    mcdenoise render --procedural 6 --first-scene 900000 --views 1 --size 96x96 --spp 4 --extra-spp 512 \\
        --filter box -o pairs/guard
    python -m benchmarks.guard pairs/guard

Each view's first render is the noisy frame, its cleaner ones the halves of the reference; in half precision.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mcdenoise import files, finetuning, views
from mcdenoise.errors import FrameError, McdenoiseError
from mcdenoise.views import View


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.guard", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "folder", type=Path, metavar="PAIRS/", help="views of one size, each with four renders"
    )
    parser.add_argument("--out", type=Path, default=finetuning.CROPS, help="(the package's own)")
    arguments = parser.parse_args()
    try:
        write(arguments.out, [views.read(found)[0] for found in views.find(arguments.folder)])
    except McdenoiseError as error:
        print(f"benchmarks.guard: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{arguments.out}: {arguments.out.stat().st_size / 2**20:.1f} MiB")
    return 0


def write(out: Path, found: list[View]) -> None:
    """Write the views as `finetuning.crops` reads them.

    Raises:
        FrameError: a view has no two cleaner renders.
    """
    if few := [view.name for view in found if len(view.renders) < 4]:
        raise FrameError(f"{few[0]}: has no two cleaner renders; render with --extra-spp")
    noisy, one, other = ([view.frame(number) for view in found] for number in (0, 2, 3))
    planes = {name: [frame.planes[name] for frame in noisy] for name in noisy[0].planes}
    planes |= {"reference.a": [frame.color for frame in one], "reference.b": [frame.color for frame in other]}
    stored = {
        name: np.stack(values).clip(-65504, 65504).astype(np.float16) for name, values in planes.items()
    }
    with files.whole(out) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **stored)  # type: ignore[arg-type]  # the stub takes them for a flag


if __name__ == "__main__":
    sys.exit(main())
