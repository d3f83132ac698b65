"""Reproduces a claim of the literature: numbers, a figure, and its table in docs/literature.md.

    python -m benchmarks.literature corruptions              # or make literature-corruptions
    python -m benchmarks.literature corruptions --steps 20000  # closer to the papers, on a GPU
    python -m benchmarks.literature page                     # only the page's tables, from what was found

A second run goes on where the first was stopped.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.literature import page, rows
from benchmarks.literature.results import PAIRS, RUNS, Results
from mcdenoise import plugins
from mcdenoise.errors import McdenoiseError


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        if arguments.row != "page":
            row = plugins.load(rows, arguments.row.replace("-", "_"))
            results = Results(
                arguments.runs / f"{arguments.row}.json", arguments.steps or row.STEPS,
                pairs=arguments.pairs, are_timed=arguments.clocks,
            )  # fmt: skip
            row.measure(results)
            results.finish()
            print(page.markdown(row.tables(results)))
        page.write(arguments.page, arguments.runs)
    except McdenoiseError as error:
        print(f"benchmarks.literature: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.literature", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    there = ", ".join(name.replace("_", "-") for name in plugins.names(rows))
    parser.add_argument("row", help=f"page, or one of: {there}")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of each training (default: the row's)")
    parser.add_argument(
        "--pairs", type=Path, default=PAIRS, help=f"renders, for rows that need them (default: {PAIRS})"
    )
    parser.add_argument("--clocks", action="store_true", help="networks: seconds too; wants an idle machine")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"where numbers are kept (default: {RUNS})")
    parser.add_argument("--page", type=Path, default=page.PAGE, help=f"(default: {page.PAGE})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
