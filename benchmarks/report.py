"""The results of `benchmarks.quality` as a markdown page and as JSON."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import origin
from benchmarks.origin import Origin
from benchmarks.validation import Case
from mcdenoise.metrics import Scores, geometric_mean


@dataclass(frozen=True)
class Scored:
    """All metrics of one picture."""

    scores: Scores
    flip: float


@dataclass(frozen=True)
class Result:
    """One frame, measured for each method: 'noisy', 'ours', maybe 'ours fast' and 'ours high', each from two
    halves too ('ours halves', 'ours high halves'), and 'OIDN ...'."""

    case: Case
    methods: Mapping[str, Scored]

    @property
    def best_oidn(self) -> str:
        """The setting of OIDN with the lowest relMSE on this frame."""
        modes = [name for name in self.methods if name.startswith("OIDN")]
        return min(modes, key=lambda name: self.methods[name].scores.relmse)

    def relmse(self, method: str) -> float:
        """The relMSE of a method; 'OIDN' is its best setting."""
        return self.methods[self.best_oidn if method == "OIDN" else method].scores.relmse

    def ratio(self, peer: str, method: str = "ours") -> float | None:
        """relMSE of ours over that of `peer`; None where one is broken, missing, or below the reference's
        noise."""
        if method not in self.methods:
            return None
        ours, theirs = self.relmse(method), self.relmse(peer)
        return ours / theirs if ours > 0 and theirs > 0 else None


@dataclass(frozen=True)
class Summary:
    """The ratios of a group of frames; below 1 ours has the lower error."""

    group: str
    frames: int
    to_noisy: float | None
    to_oidn: float | None
    fast_to_oidn: float | None
    high_to_oidn: float | None
    halves_to_oidn: float | None
    high_halves_to_oidn: float | None
    worst: str
    worst_to_oidn: float | None
    energy_off: float | None
    without_ratio: int


def summarize(results: list[Result]) -> list[Summary]:
    """All frames, then by filter, then by filter and spp."""
    groups: dict[str, list[Result]] = {"all": results}
    ordered = sorted(results, key=lambda r: (r.case.pair.filter, r.case.pair.spp))
    for result in ordered:
        groups.setdefault(result.case.pair.filter, []).append(result)
    for result in ordered:
        groups.setdefault(f"{result.case.pair.filter}, {2 * result.case.pair.spp} spp", []).append(result)
    return [_summary(name, members) for name, members in groups.items()]


def write(folder: Path, results: list[Result], remarks: list[str], where: Origin) -> None:
    """Write quality.md and quality.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.md").write_text(as_markdown(results, remarks, where), encoding="utf-8")
    (folder / "quality.json").write_text(as_json(results, remarks, where), encoding="utf-8")


def as_markdown(results: list[Result], remarks: list[str], where: Origin) -> str:
    """Origin, summary, a table of all frames, and what is to be said about the work."""
    return "\n".join(
        [
            "# Quality\n",
            origin.as_markdown(where),
            "relMSE of ours over the peer's, geometric mean; below 1 ours is better. OIDN: its best of three",
            "settings per frame. halves: the same samples as two renders, by `--half`; all others get their",
            "mean. energy off: largest |mean of ours / mean of the reference - 1|.\n",
            *_summary_table(summarize(results)),
            "",
            *_frame_table(results),
            "",
            *(f"- {line}" for line in remarks),
        ]
    )


def as_json(results: list[Result], remarks: list[str], where: Origin) -> str:
    """The same numbers, unrounded."""
    return json.dumps(
        {
            "origin": asdict(where),
            "summary": [asdict(summary) for summary in summarize(results)],
            "frames": [_frame_record(result) for result in results],
            "remarks": remarks,
        },
        indent=1,
        allow_nan=False,
    )


def _summary(group: str, results: list[Result]) -> Summary:
    ratios = {r.case.name: r.ratio("OIDN") for r in results}
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    worst = max(known, key=lambda name: known[name], default="-")
    return Summary(
        group=group,
        frames=len(results),
        to_noisy=_mean_ratio(r.ratio("noisy") for r in results),
        to_oidn=_mean_ratio(ratios.values()),
        fast_to_oidn=_mean_ratio(r.ratio("OIDN", "ours fast") for r in results),
        high_to_oidn=_mean_ratio(r.ratio("OIDN", "ours high") for r in results),
        halves_to_oidn=_mean_ratio(r.ratio("OIDN", "ours halves") for r in results),
        high_halves_to_oidn=_mean_ratio(r.ratio("OIDN", "ours high halves") for r in results),
        worst=worst,
        worst_to_oidn=known.get(worst),
        energy_off=_finite(max(abs(r.methods["ours"].scores.energy - 1) for r in results)),
        without_ratio=len(results) - len(known),
    )


def _mean_ratio(ratios: Iterable[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return geometric_mean(known) if known else None


def _summary_table(summaries: list[Summary]) -> list[str]:
    columns = ["group", "frames", "ours / noisy", "ours / OIDN", "ours fast / OIDN", "ours high / OIDN",
               "ours halves / OIDN", "ours high halves / OIDN", "worst frame to OIDN", "its ratio",
               "energy off"]  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for s in summaries:
        frames = f"{s.frames}" + (f" ({s.without_ratio} without a ratio)" if s.without_ratio else "")
        known = (s.to_noisy, s.to_oidn, s.fast_to_oidn, s.high_to_oidn, s.halves_to_oidn,
                 s.high_halves_to_oidn)  # fmt: skip
        ratios = [_ratio(value) for value in known]
        cells = [s.group, frames, *ratios, s.worst, _ratio(s.worst_to_oidn), _ratio(s.energy_off)]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _frame_table(results: list[Result]) -> list[str]:
    rows = ["| frame | method | relMSE | SMAPE | PSNR | SSIM | FLIP | energy | dark | bright |",
            "|---|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for result in results:
        for method, scored in result.methods.items():
            name = f"**{method}**" if method == result.best_oidn else method
            rows.append(f"| {result.case.name} | {name} | {_row(scored)} |")
    return rows


def _row(scored: Scored) -> str:
    s = scored.scores
    return (
        f"{s.relmse:.5f} | {s.smape:.4f} | {s.psnr:.2f} | {s.ssim:.4f} | {scored.flip:.4f}"
        f" | {s.energy:.4f} | {s.energy_dark:.3f} | {s.energy_bright:.3f}"
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _frame_record(result: Result) -> dict[str, object]:
    pair = result.case.pair
    methods = {
        name: scored.scores.for_json() | {"flip": _finite(scored.flip)}
        for name, scored in result.methods.items()
    }
    return {
        "name": result.case.name,
        "scene": pair.scene,
        "view": pair.view,
        "spp": 2 * pair.spp,
        "filter": pair.filter,
        "reference_spp": 2 * result.case.reference.spp,
        "best_oidn": result.best_oidn,
        "methods": methods,
    }
