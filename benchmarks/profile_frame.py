"""Where the time of a frame goes on the CPU, and the least that its convolutions could do.

    python -m benchmarks.profile_frame examples/frame.exr --size 1920x1080

Shares of the calling thread's time, by torch.profiler: torch's operators, and the filters' loops by name
(`loop: ...`). Shares hold on a busy machine too, more or less; seconds are `benchmarks.speed`'s.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks import speed
from mcdenoise import checkpoint, exr
from mcdenoise.engine import Denoiser
from mcdenoise.networks._kernels import KernelPredicting


class Floor(NamedTuple):
    """What convolutions must do for a frame: operations, and bytes if each reads and writes once."""

    flop: int
    bytes: int


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.profile_frame", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("frame", type=Path, metavar="FRAME.exr")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE")
    parser.add_argument("--size", type=speed.size, default=(1920, 1080), metavar="WxH")
    parser.add_argument("--rows", type=int, default=25, metavar="N", help="of the table (default: 25)")
    given = parser.parse_args()
    network = checkpoint.load_model(given.model).network
    if isinstance(network, KernelPredicting):
        least = floor(network, given.size)
        print(f"convolutions: {least.flop / 1e9:.0f} GFLOP, {least.bytes / 2**30:.2f} GiB in bf16\n")
    frame = speed.fit(exr.read_frame(given.frame), given.size)
    denoiser = Denoiser(given.model, device="cpu")
    denoiser(frame)
    print(shares(lambda: denoiser(frame), given.rows))
    return 0


def floor(network: KernelPredicting, size: tuple[int, int]) -> Floor:
    """Of the trunk and its heads, the frame in one tile; nothing is computed. What a decoder is given from
    below counts at its own size, 2x2 for 3x3 (see `_swift`)."""
    trunk, found = network.trunk.to("meta"), []
    from_below: dict[nn.Module, int] = {}
    for decoder, encoder in zip(trunk.decoders, trunk.encoders, strict=False):
        joining, skip = (next(part for part in of.modules() if isinstance(part, nn.Conv2d))
                         for of in (decoder, encoder))  # fmt: skip
        from_below[joining] = joining.in_channels - skip.out_channels

    def count(layer: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        below, pixels = from_below.get(layer, 0), made[0, 0].numel()
        values = given[0].numel() - below * pixels * 3 // 4 + made.numel() + layer.weight.numel()
        found.append(Floor(2 * made.numel() * (layer.weight[0].numel() - 5 * below), 2 * values))

    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    first = next(layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d)).in_channels
    width, height = (-(-side // network.stride) * network.stride for side in size)
    decoded = trunk.decoded(torch.empty(1, first, height // 2, width // 2, device="meta"))
    for head, level in zip(trunk.heads, decoded, strict=True):
        head(level)
    return Floor(sum(one.flop for one in found), sum(one.bytes for one in found))


def shares(work: Callable[[], object], rows: int) -> str:
    """A table of what the calling thread does in `work`, the longest first."""
    from mcdenoise.networks import _loops, _swift_filters, _swift_loops

    for module in (_loops, _swift_loops, _swift_filters):
        _record(module)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        work()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    lines = [f"| {event.key} | {event.count} | {event.self_cpu_time_total / total:.1%} |" for event in events]
    return "\n".join(["| what | calls | share |", "|---|---|---|", *lines[:rows]])


def _record(loops: ModuleType) -> None:
    """Show the module's compiled loops to the profiler."""
    for name, function in vars(loops).items():
        if isinstance(function, FunctionType) and hasattr(function, "__wrapped__"):
            setattr(loops, name, _recorded(f"loop: {name}", function))


def _recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        with record_function(name):
            return function(*given)

    return run


if __name__ == "__main__":
    sys.exit(main())
