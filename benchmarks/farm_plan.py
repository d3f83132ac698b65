"""A plan for many frames on many machines, from measured seconds and exact bytes.

    python -m benchmarks.farm_plan FRAME.exr RESULT.exr --network 3.0 --start 4.3 [--machines 100]

FRAME.exr is a noisy frame of the shot and RESULT.exr what mcdenoise made of it: their bytes are counted.
`--network` is the median of `benchmarks.speed` on its clock *frame*, `--start` that of its clock *process*
less it, both on a machine like those; reading and writing go beside the network. `--storage` is what all
machines together can read and write, in MiB/s.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """What is known before; sizes in bytes, times in seconds."""

    frames: int
    machines: int
    chunk: int
    network: float
    start: float
    read: int
    written: int
    storage: float  # bytes a second

    @property
    def a_frame(self) -> float:
        """Of a machine, with its part of the start."""
        return self.network + self.start / self.chunk

    @property
    def bandwidth(self) -> float:
        """Bytes a second that all machines ask of the storage together."""
        return self.machines * (self.read + self.written) / self.a_frame

    @property
    def most_machines(self) -> int:
        """How many of them the storage feeds."""
        return int(self.storage * self.a_frame / (self.read + self.written))

    @property
    def hours(self) -> float:
        """From the first task to the last; chunks are whole."""
        rounds = -(-self.frames // (self.chunk * self.machines))
        by_work = rounds * (self.chunk * self.network + self.start)
        by_storage = self.frames * (self.read + self.written) / self.storage
        return max(by_work, by_storage) / 3600

    def as_markdown(self) -> str:
        """Row by row."""
        is_storage = self.machines > self.most_machines
        rows = {
            "a frame: read, written": f"{self.read / MIB:.1f} MiB, {self.written / MIB:.1f} MiB",
            "all frames": f"{self.frames * (self.read + self.written) / 2**40:.2f} TiB",
            f"a frame on a machine, chunks of {self.chunk}": f"{self.a_frame:.2f} s, "
            f"{self.start / self.chunk / self.a_frame:.0%} of it the start",
            "tasks": f"{-(-self.frames // self.chunk)}, "
            f"{self.machines / self.chunk / self.a_frame:.2f} a second for the scheduler",
            "asked of the storage": f"{self.bandwidth / MIB:.0f} MiB/s of {self.storage / MIB:.0f}",
            "machines that the storage feeds": f"{self.most_machines}",
            "saturates first": "the storage" if is_storage else "the machines",
            "all done in": f"{self.hours:.2f} hours",
        }
        title = f"| {self.frames} frames on {self.machines} machines | |"
        return "\n".join([title, "|---|---|", *(f"| {name} | {told} |" for name, told in rows.items())])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.farm_plan", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("frame", type=Path, metavar="FRAME.exr")
    parser.add_argument("result", type=Path, metavar="RESULT.exr")
    parser.add_argument("--network", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--start", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--frames", type=int, default=10_000, metavar="N")
    parser.add_argument("--machines", type=int, default=100, metavar="N")
    parser.add_argument("--chunk-size", type=int, default=25, metavar="N")
    parser.add_argument("--storage", type=float, default=1192, metavar="MIB/S", help="10 Gbit/s is 1192")
    given = parser.parse_args()
    for path in (given.frame, given.result):
        if not path.is_file():
            print(f"benchmarks.farm_plan: {path}: no such file", file=sys.stderr)
            return 3
    plan = Plan(given.frames, given.machines, given.chunk_size, given.network, given.start,
                given.frame.stat().st_size, given.result.stat().st_size, given.storage * MIB)  # fmt: skip
    print(plan.as_markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
