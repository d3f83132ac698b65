"""What sharing frames out costs.

    python -m benchmarks.many_frames overhead [--frames 10000] [--size 16x16]
    python -m benchmarks.many_frames workers [--frames 20] [--size 1280x720] [--rounds 3]

*overhead*: tiny frames in one process, and through a Dask scheduler to one worker; seconds a frame without
the start, which a run of one frame tells. *workers*: as many workers of one thread as there are cores beside
one process of as many threads, taking turns; from exec to exit. Wants an idle machine.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mcdenoise import exr
from mcdenoise.frame import Frame


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.many_frames", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("what", choices=("overhead", "workers"))
    parser.add_argument("--frames", type=int, metavar="N")
    parser.add_argument("--size", metavar="WxH")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    given = parser.parse_args()
    is_overhead = given.what == "overhead"
    width, height = map(int, (given.size or ("16x16" if is_overhead else "1280x720")).split("x"))
    count = given.frames or (10_000 if is_overhead else 20)
    with tempfile.TemporaryDirectory() as folder:
        shot = Shot(Path(folder), count, (height, width))
        print(overhead(shot) if is_overhead else workers(shot, given.rounds))
    return 0


class Shot:
    """Frames of noise in a folder; each run denoises the first so many, again."""

    def __init__(self, folder: Path, count: int, size: tuple[int, int]) -> None:
        self.folder, self.count, self.size = folder, count, size
        (folder / "out").mkdir()
        chance = np.random.default_rng(0)
        exr.write_frame(folder / "one.exr", Frame({"color": chance.random((*size, 3), np.float32)}))
        for number in range(1, count + 1):
            os.link(folder / "one.exr", folder / f"shot.{number:05}.exr")

    def seconds(self, count: int, *flags: str, threads: int) -> float:
        """From exec to exit of `mcdenoise`."""
        words = [str(self.folder / "shot.#####.exr"), f"--frames=1-{count}", "-o", f"{self.folder}/out/"]
        command = [sys.executable, "-m", "mcdenoise", *words, "--force", "--quiet", "--device=cpu", *flags]
        begin = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=environment)  # noqa: S603 - ours
        return time.perf_counter() - begin

    def per_frame(self, *flags: str) -> float:
        """Seconds, without the start."""
        return (self.seconds(self.count, *flags, threads=1) - self.seconds(1, *flags, threads=1)) / (
            self.count - 1
        )


def overhead(shot: Shot) -> str:
    """Milliseconds a frame, both ways."""
    alone = 1000 * shot.per_frame()
    with _scheduler() as address:
        shared = 1000 * shot.per_frame("--cluster", address)
    title = f"| {shot.count} frames of {shot.size[1]}x{shot.size[0]} | ms a frame |"
    rows = {"one process": alone, "Dask, one worker": shared, "Dask's part": shared - alone}
    return "\n".join([title, "|---|---|", *(f"| {name} | {value:.2f} |" for name, value in rows.items())])


@contextlib.contextmanager
def _scheduler() -> Iterator[str]:
    """With one worker of one thread."""
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield str(cluster.scheduler_address)


def workers(shot: Shot, rounds: int) -> str:
    """Seconds both ways, and the ratio turn by turn."""
    cores = len(os.sched_getaffinity(0))
    one: list[float] = []
    several: list[float] = []
    for _ in range(rounds):
        one.append(shot.seconds(shot.count, threads=cores))
        several.append(shot.seconds(shot.count, f"--workers={cores}", threads=1))
    ratios = [after / before for before, after in zip(one, several, strict=True)]
    rows = {f"1 process, {cores} threads": one, f"{cores} workers, 1 thread": several, "ratio": ratios}
    title = f"| {shot.count} frames of {shot.size[1]}x{shot.size[0]} | seconds, median | spread |"
    lines = [
        f"| {name} | {statistics.median(s):.2f} | {min(s):.2f} .. {max(s):.2f} |" for name, s in rows.items()
    ]
    return "\n".join([title, "|---|---|---|", *lines])


if __name__ == "__main__":
    sys.exit(main())
