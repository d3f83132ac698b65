"""Ranks models, or checkpoints of a training, on pairs with references; OIDN's scores are of an earlier run.

    python -m benchmarks.ranking VALIDATION_DIR MODEL... --peers runs/quality/quality.json

For choices while developing (docs/decisions/); what is published comes from `benchmarks.quality`, which
measures OIDN in the same run. The frames must be those of that run: names and noisy scores are compared.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from benchmarks import quality, report, validation
from benchmarks.report import Result, Scored, Summary
from benchmarks.validation import Case
from mcdenoise import Denoiser
from mcdenoise.errors import FrameError, McdenoiseError
from mcdenoise.metrics import Scores

GROUPS = ("all", "box", "gaussian", "box, 4 spp", "box, 16 spp", "box, 64 spp")


def main() -> int:
    """The command line."""
    arguments = _arguments()
    print(f"| model | {' | '.join(f'{group} / OIDN' for group in GROUPS)} | all / noisy | energy off |")
    print("|---|" + "---|" * (len(GROUPS) + 2))
    try:
        peers = _peers(arguments.peers)
        cases = quality.choose(validation.cases(arguments.folder)[0], arguments.frames)
        for model in arguments.models:
            results = list(_measure(tqdm(cases, leave=False), model, peers))
            print(_row(model.name, report.summarize(results)), flush=True)
            if arguments.verbose:
                print("\n".join(map(_line, results)), flush=True)
    except McdenoiseError as error:
        print(f"benchmarks.ranking: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _peers(path: Path) -> dict[str, dict[str, Scored]]:
    """The scores of all methods but ours, by the frame's name."""
    frames = json.loads(path.read_text(encoding="utf-8"))["frames"]
    return {
        frame["name"]: {name: _scored(of) for name, of in frame["methods"].items() if name != "ours"}
        for frame in frames
    }


def _scored(values: dict[str, float | None]) -> Scored:
    known = {name: math.nan if value is None else value for name, value in values.items()}
    flip = known.pop("flip")
    return Scored(Scores(**known), flip)


def _measure(cases: Iterable[Case], model: Path, peers: dict[str, dict[str, Scored]]) -> Iterator[Result]:
    denoise = Denoiser(model, device="cpu")
    for case in cases:
        frame = validation.mean_frame(case.pair)
        halves = validation.reference_halves(case)
        methods = peers.get(case.name, {})
        relmse = quality.score(frame.color, *halves).scores.relmse
        if "noisy" not in methods or not math.isclose(relmse, methods["noisy"].scores.relmse, rel_tol=1e-4):
            raise FrameError(
                f"{case.name}: isn't the frame that the peers were measured on; run benchmarks.quality"
            )
        yield Result(case, {**methods, "ours": quality.score(denoise(frame).color, *halves)})


def _row(name: str, summaries: list[Summary]) -> str:
    by_group = {summary.group: summary for summary in summaries}
    ratios = [by_group[group].to_oidn if group in by_group else None for group in GROUPS]
    values = [*ratios, by_group["all"].to_noisy, by_group["all"].energy_off]
    return f"| {name} | " + " | ".join("-" if value is None else f"{value:.3f}" for value in values) + " |"


def _line(result: Result) -> str:
    ours, best = result.methods["ours"], result.methods[result.best_oidn]
    return (f"  {result.case.name:36} relMSE {ours.scores.relmse:.5f} noisy {result.relmse('noisy'):.5f}"
            f" OIDN {best.scores.relmse:.5f} ratio {result.ratio('OIDN') or math.nan:6.2f}"
            f" energy {ours.scores.energy:.4f} FLIP {ours.flip:.3f} OIDN {best.flip:.3f}")  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.ranking", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="VALIDATION_DIR", help="NAME.a.exr and NAME.b.exr")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path("runs/quality/quality.json"),
        metavar="FILE.json",
        help="what benchmarks.quality wrote (default: runs/quality/quality.json)",
    )
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as 'kitchen*16spp.box'")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line per frame")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
