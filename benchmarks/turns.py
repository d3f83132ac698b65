"""Contenders taking turns, A B A B ..., on one clock of one run: the only seconds that are ever compared."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from mcdenoise.errors import McdenoiseError, UsageError

# What tells this run's seconds from those of all others.
RUN = uuid4().hex
LAUNCH = Path(__file__).parent / "launch.py"

COLUMNS = ("clock", "contender", "median s", "least .. most s", "first / this, median", "least .. most",
           "peak, GiB", "processor s")  # fmt: skip


class PeerError(McdenoiseError):
    """A contender refused its input or its settings, or failed."""


@dataclass(frozen=True)
class Used:
    """What a process took from its start to its end: seconds, peak memory, and seconds of all its threads."""

    seconds: float
    peak_gib: float
    processor_seconds: float


# A contender; what a process used is kept, what a function gives isn't.
Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """One contender on one clock: `seconds` in the order they were taken, and what its processes used."""

    clock: str
    contender: str
    seconds: tuple[float, ...]
    used: tuple[Used, ...] = ()
    run: str = field(default=RUN)

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)

    def over(self, other: "Timing") -> tuple[float, ...]:
        """This one's seconds over the other's, turn by turn; below 1 this one is faster.

        Raises:
            UsageError: they are of two runs, between which the machine's load and temperature change.
        """
        if (self.run, self.clock) != (other.run, other.clock):
            both = f"{self.clock}, {self.contender} and {other.clock}, {other.contender}"
            raise UsageError(f"{both}: are of two runs or clocks; measure both in one, taking turns")
        return tuple(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def take_turns(clock: str, contenders: Mapping[str, Work], rounds: int) -> list[Timing]:
    """Run each contender once to warm up, then `rounds` of all of them in turn.

    Raises:
        UsageError: there are no rounds.
    """
    if rounds < 1:
        raise UsageError(f"{rounds} rounds: nothing to time; give 1 or more")
    for work in contenders.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    used: dict[str, list[Used]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            start = time.perf_counter()
            told = work()
            taken = time.perf_counter() - start
            seconds[name].append(told.seconds if isinstance(told, Used) else taken)
            used[name] += [told] if isinstance(told, Used) else []
    return [Timing(clock, name, tuple(seconds[name]), tuple(used[name])) for name in contenders]


def process(command: Sequence[object], *, given: bytes = b"", cwd: Path | None = None) -> Used:
    """Run a command to its end, `given` on stdin, which stays open. A Python keeps its bytecode, as one that
    pip installed does.

    Raises:
        PeerError: it failed; the message ends with what it said last.
    """
    with tempfile.TemporaryDirectory() as folder:
        noted, said = Path(folder) / "noted", Path(folder) / "said"
        launch = [sys.executable, "-I", "-S", LAUNCH, noted, *command]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with (
            said.open("wb") as out,
            subprocess.Popen(  # noqa: S603 - ours, and OIDN's
                [str(word) for word in launch],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=cwd,
                env=environment,
            ) as child,
        ):
            assert child.stdin
            child.stdin.write(given)
            child.stdin.flush()
            os.waitpid(child.pid, 0)
            child.returncode = 0
        told = said.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        seconds, peak, processor, code = noted.read_text().split() if noted.exists() else (0, 0, 0, "none")
    if code != "0":
        raise PeerError(f"{command[0]}: failed with exit code {code}, saying: {told[-1]}")
    return Used(float(seconds), int(peak) / 2**20, float(processor))


def as_markdown(timings: Iterable[Timing]) -> str:
    """The table: median seconds with their spread, and the first contender of each clock over each."""
    first: dict[str, Timing] = {}
    rows = [_row(timing, first.setdefault(timing.clock, timing)) for timing in timings]
    return "\n".join([_line(COLUMNS), "|---" * len(COLUMNS) + "|", *rows]) + "\n"


def _row(timing: Timing, first: Timing) -> str:
    peaks = [used.peak_gib for used in timing.used]
    processor = [used.processor_seconds for used in timing.used]
    cells = [timing.clock, timing.contender, f"{timing.median:.3f}", _spread(timing.seconds, 3)]
    ratios = first.over(timing)
    cells += [f"{statistics.median(ratios):.2f}", _spread(ratios, 2)]
    cells += [f"{max(peaks):.2f}", f"{statistics.median(processor):.2f}"] if timing.used else ["", ""]
    return _line(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{min(values):.{digits}f} .. {max(values):.{digits}f}"
