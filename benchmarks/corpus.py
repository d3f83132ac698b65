"""What becomes of every file of a corpus: a table by outcome, and whether anything but the color changed.

    python -m benchmarks.corpus FOLDER [--model NAME] [--strength 0] [--longest 30]

Each file goes through `mcdenoise FILE -o OUT` in a child that is warm; a child that dies or takes longer than
it may is counted and started anew. It may take `--longest` seconds, and as much again for each megapixel. A
result is compared with its file, channel by channel and attribute by attribute; at strength 0, byte by byte.
"""

import argparse
import contextlib
import io
import math
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from mcdenoise import exr
from mcdenoise.__main__ import main as mcdenoise
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame

LONGEST = 30.0  # seconds


@dataclass(frozen=True)
class Outcome:
    """What became of a file, after how many seconds; the child's peak memory so far, in bytes."""

    path: Path
    what: str
    seconds: float
    peak: int


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.corpus", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--longest", type=float, default=LONGEST, metavar="SECONDS")
    given = parser.parse_args()
    files = sorted(path for path in given.folder.rglob("*") if path.is_file())
    flags = [f"--model={given.model}", f"--strength={given.strength}"]
    outcomes = list(run(files, flags, given.longest))
    print(as_markdown(outcomes))
    return int(any(is_bad(outcome.what) for outcome in outcomes))


def run(files: list[Path], flags: list[str], longest: float = LONGEST) -> Iterator[Outcome]:
    """The outcome of each file."""
    child = None
    for path in files:
        child = child or _Child(flags)
        start = time.perf_counter()
        what, peak = child.ask(path, longest * (1 + _megapixels(path)))
        yield Outcome(path, what, time.perf_counter() - start, peak)
        if not child.is_alive:
            child = None
    if child:
        child.end()


class _Child:
    """A process that denoises one file at a time."""

    def __init__(self, flags: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, flags), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # it is up, torch imported
        self.is_alive = True

    def ask(self, path: Path, longest: float) -> tuple[str, int]:
        self._ours.send(path)
        try:
            if self._ours.poll(longest):
                what, peak = self._ours.recv()
                return str(what), int(peak)
            said = f"HANG: over {longest:.0f} s"
        except EOFError:
            said = "CRASH: the process died"
        self.is_alive = False
        self._process.kill()
        return said, 0

    def end(self) -> None:
        self._ours.close()
        self._process.join()


def _serve(pipe: Connection, flags: list[str]) -> None:
    with contextlib.suppress(EOFError), tempfile.TemporaryDirectory() as folder:
        # The wait for torch and for what is compiled belongs to no file.
        exr.write_frame(warm := Path(folder) / "warm.exr", Frame({"color": np.ones((64, 64, 3), np.float32)}))
        _denoised(warm, Path(folder) / "out.exr", flags)
        pipe.send("ready")
        while True:
            what = _denoised(pipe.recv(), Path(folder) / "out.exr", flags)
            pipe.send((what, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _megapixels(path: Path) -> float:
    try:
        return max(math.prod(part.size) for part in exr.read(path).parts) / 1e6
    except McdenoiseError:
        return 0.0


def _denoised(path: Path, out: Path, flags: list[str]) -> str:
    """One file's outcome in words."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = mcdenoise([str(path), "-o", str(out), "--force", "--quiet", *flags])
    except BaseException as error:
        return f"TRACEBACK: {type(error).__name__}"
    if code:
        return f"refused: {reason(path, said.getvalue())}"
    if "--strength=0.0" in flags:
        return "same bytes" if out.read_bytes() == path.read_bytes() else "CHANGED: bytes"
    changed = differences(exr.read(path), exr.read(out))
    return f"CHANGED: {', '.join(changed)}" if changed else "denoised, all else as it was"


def reason(path: Path, said: str) -> str:
    """The one line without what is the file's own."""
    if said.count("\n") != 1:
        return f"MORE THAN A LINE: {said!r}"
    line = said.strip().removeprefix(f"mcdenoise: {path}: ")
    return re.sub(r"it has: .*|\d+ of \d+|\d+|'.*'", "...", line)


def differences(before: exr.Picture, after: exr.Picture) -> list[str]:
    """Channels and attributes that should have stayed and didn't."""
    layout = before.layout()
    ours = [*layout.planes.values(), *(light.taken for light in layout.lights)]
    taken = {(layout.planes["color"].part, name) for name in layout.planes["color"].channels}
    taken |= {(one.part, name) for one in ours[len(layout.planes) :] for name in one.channels}
    taken |= {(layout.alpha.part, name) for name in layout.alpha.channels} if layout.alpha else set()
    found = []
    for old, new in zip(before.parts, after.parts, strict=True):
        kept = [raw for raw in new.head.attributes if not raw.name.startswith(b"mcdenoise.")]
        found += ["header"] if kept != list(old.head.attributes) else []
        for one, other in zip(old.levels, new.levels, strict=True) if not old.unread else ():
            was, now = old.unpack(one), new.unpack(other)
            found += [n for n in was if (old.index, n) not in taken and was[n].tobytes() != now[n].tobytes()]
    return found


def is_bad(what: str) -> bool:
    """Whether an outcome is one that no file may have."""
    return what.split(":")[0] in ("CRASH", "HANG", "TRACEBACK", "CHANGED") or "MORE THAN A LINE" in what


def as_markdown(outcomes: list[Outcome]) -> str:
    """A row for each outcome, with an example; the bad ones one by one."""
    counts, examples = Counter(o.what for o in outcomes), {o.what: o.path for o in reversed(outcomes)}
    rows = [f"| {count} | {what} | {examples[what].name} |" for what, count in counts.most_common()]
    slowest, peak = max(outcomes, key=lambda o: o.seconds), max(o.peak for o in outcomes)
    bad = [f"- {o.what}: {o.path}" for o in outcomes if is_bad(o.what)]
    summary = (f"{len(outcomes)} files, {len(bad)} bad outcomes; slowest {slowest.seconds:.1f} s "
               f"({slowest.path.name}); peak memory of the process {peak / 2**30:.2f} GiB.")  # fmt: skip
    return "\n".join(["| files | outcome | for example |", "|---|---|---|", *rows, "", summary, *bad])


if __name__ == "__main__":
    sys.exit(main())
