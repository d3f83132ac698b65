"""Milliseconds of a 1920x1080 frame on the GPU: the network alone, and the frame, arrays in, arrays out.

    python -m benchmarks.gpu.frame --model mcdenoise/weights/standard.safetensors

Correct first: the same frame on the CPU in float32, and how far the GPU's is from it. Then times, by the
clock and with the device waited for: medians after warm-up. The frame is made of noise over shapes, never
zeros.
"""

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mcdenoise import Denoiser, encoding, engine
from mcdenoise.frame import Frame

ROUNDS, WARM = 20, 5


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu.frame", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    frame, device = made_up(height, width), engine.choose_device(given.device)
    print(f"device {device}, torch {torch.__version__}, {width}x{height}\n")
    print(
        f"largest difference to float32 on the CPU, relative: {difference(frame, given.model, device):.2e}\n"
    )
    denoise = Denoiser(given.model, device=str(device))
    print("| clock | median ms | least .. most |\n|---|---|---|")
    print(_row("network", network_times(denoise, frame, device)))
    print(_row("frame", times(lambda: denoise(frame), device)))
    return 0


def made_up(height: int, width: int) -> Frame:
    """Noise over waves, with guides: nothing a benchmark could skip."""
    chance = np.random.default_rng(0)
    y, x = (axis[..., None] / 40 for axis in np.mgrid[:height, :width])
    albedo = np.clip(0.5 + 0.4 * np.sin(x + np.arange(3)) * np.cos(y), 0, 1).astype(np.float32)
    color = albedo * chance.lognormal(-0.5, 1, (height, width, 1)).astype(np.float32)
    normal = np.dstack([np.sin(x), np.cos(y) * 0.5 + 0 * x, np.cos(x)]).astype(np.float32)
    return Frame({"color": color, "albedo": albedo, "normal": normal, "depth": (2 + x).astype(np.float32)})


def difference(frame: Frame, model: Path, device: torch.device) -> float:
    """Of a part of the frame: the largest over the pixels, relative to the pixel + 0.01."""
    part = Frame({name: plane[:256, :256] for name, plane in frame.planes.items()})
    fast = Denoiser(model, device=str(device))(part).color
    precision = engine.precision
    engine.precision = lambda _: contextlib.nullcontext()  # type: ignore[assignment]
    try:
        exact = Denoiser(model, device="cpu")(part).color
    finally:
        engine.precision = precision
    return float((np.abs(fast - exact) / (np.abs(exact) + 0.01)).max())


def network_times(denoise: Denoiser, frame: Frame, device: torch.device) -> list[float]:
    """Of the network on what it is fed, already on the device."""
    fed = encoding.encode(frame)
    below, right = (-side % denoise.network.stride for side in frame.size)
    pad = (0, right, 0, below)
    inputs = [
        torch.nn.functional.pad(part, pad, mode="replicate").to(device) for part in (fed.color, fed.guides)
    ]

    def run() -> None:
        with torch.inference_mode(), engine.precision(device):
            denoise.network(*(part.contiguous(memory_format=torch.channels_last) for part in inputs))

    return times(run, device)


def times(work: Callable[[], object], device: torch.device) -> list[float]:
    """Milliseconds of each round, the device waited for."""
    taken = []
    for number in range(WARM + ROUNDS):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= WARM:
            taken.append(1000 * (time.perf_counter() - begin))
    return taken


def _row(name: str, taken: list[float]) -> str:
    return f"| {name} | {statistics.median(taken):.2f} | {min(taken):.2f} .. {max(taken):.2f} |"


if __name__ == "__main__":
    sys.exit(main())
