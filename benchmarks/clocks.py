"""What `benchmarks.speed` measures: a function per clock that gives its contenders, ours first."""

import atexit
import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyoidn

from benchmarks import addon_speed, exr_speed, large_frame, quality, turns
from benchmarks.turns import Work
from mcdenoise import exr, oidn
from mcdenoise.commands import _memory
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame, Plane

OIDN_DENOISE = Path(pyoidn.__file__).parent / "oidn" / "bin" / "oidnDenoise"
MCDENOISE = [sys.executable, "-m", "mcdenoise"]
OURS = "ours"
# Run in another checkout, whose `mcdenoise` it imports: a frame for each line of stdin, then one of stdout.
WAITING = """
import sys
from pathlib import Path
from mcdenoise import Denoiser, exr
from mcdenoise.commands import _memory
frame, denoise = exr.read_frame(Path(sys.argv[1])), Denoiser(Path(sys.argv[2]), device=sys.argv[3])
_memory.keep_for(*frame.size)
for _ in sys.stdin:
    denoise(frame)
    print("done", flush=True)
"""


@dataclass(frozen=True)
class Given:
    """What there is to measure with; `folder` is for files, `beside` another checkout that takes turns."""

    frame: Frame
    model: Path
    folder: Path
    device: str = "cpu"
    frames: int = 50
    large: tuple[int, int] = (7680, 4320)
    onnx: Path | None = None
    beside: Path | None = None

    @property
    def file(self) -> Path:
        """The frame's, written at the first call."""
        path = self.folder / "frame.exr"
        if not path.exists():
            exr.write_frame(path, self.frame)
        return path

    @property
    def flags(self) -> list[object]:
        """Of our command."""
        return ["--force", "--quiet", "--model", self.model.absolute(), "--device", self.device]

    def denoiser(self) -> Callable[[Frame], Frame]:
        """In this process, loaded."""
        from mcdenoise import Denoiser

        return Denoiser(self.model, device=self.device)


def frame(given: Given) -> dict[str, Work]:
    """Arrays in, arrays out, everything loaded and warm."""
    ours = quality.denoisers(given.model, given.device, ["standard", "fast"])
    contenders: dict[str, Work] = {name: partial(run, given.frame) for name, run in ours.items()}
    _memory.keep_for(*given.frame.size)  # as the command does
    if given.beside:
        contenders[f"ours, {given.beside}"] = waiting(given, given.beside)
    for name in oidn.QUALITIES:
        contenders[f"OIDN {name}"] = partial(oidn.noisy_guides, given.frame, quality=name)
    return contenders


def process(given: Given) -> dict[str, Work]:
    """From exec to exit: our EXR in and out, and OIDN's own program, PFM in and out."""
    for name in ("color", "albedo", "normal"):
        write_pfm(given.folder / f"{name}.pfm", given.frame.planes[name])
    theirs = [OIDN_DENOISE, "--hdr", given.folder / "color.pfm", "--alb", given.folder / "albedo.pfm",
              "--nrm", given.folder / "normal.pfm",
              "-o", given.folder / "out.pfm", "-d", "cpu", "-q"]  # fmt: skip
    contenders = _ours(OURS, [given.file, "-o", given.folder / "out.exr", *given.flags], given)
    for name in oidn.QUALITIES:
        contenders[f"oidnDenoise {name}"] = partial(turns.process, [*theirs, name])
    return contenders


def start(given: Given) -> dict[str, Work]:
    """From exec to exit, of what only talks, beside a Python that does nothing."""
    return {
        **_ours("--help", ["--help"], given),
        **_ours("inspect", ["inspect", given.file], given),
        "python -c pass": partial(turns.process, [sys.executable, "-c", "pass"]),
    }


def sequence(given: Given) -> dict[str, Work]:
    """As many frames by one process, from exec to exit, and by the network alone, loaded and warm."""
    shots, clean = given.folder / "shots", given.folder / "clean"
    for folder in (shots, clean):
        folder.mkdir(exist_ok=True)
    for number in range(given.frames):
        shutil.copyfile(given.file, shots / f"shot.{number:04}.exr")
    denoiser = given.denoiser()
    _memory.keep_for(*given.frame.size)  # as the command does

    def network() -> None:
        for _ in range(given.frames):
            denoiser(given.frame)

    many = f"{given.frames} frames"
    ours = _ours(many, [shots / "shot.####.exr", "-o", clean, *given.flags], given)
    return {**ours, f"{many}, network alone": network}


def blender(given: Given) -> dict[str, Work]:
    """The child of Blender's extension, engine by engine, from its start to its end.

    Raises:
        UsageError: there is no model for it.
    """
    if given.onnx is None or not given.onnx.is_file():
        raise UsageError(f"--onnx {given.onnx}: no such file; `mcdenoise export standard --to onnx` makes it")
    return addon_speed.contenders(given.onnx.absolute(), given.file)


def files(given: Given) -> dict[str, Work]:
    """EXR beside other programs', see `exr_speed`."""
    made = exr_speed.made_up(given.folder / "files.exr", several=False, size=given.frame.size)
    return exr_speed.works(made, given.folder / "files.out.exr")


def large(given: Given) -> dict[str, Work]:
    """A large frame, from exec to exit, see `large_frame`; what counts is the peak."""
    made = given.folder / "large.exr"
    large_frame.made_up(made, *given.large)
    return large_frame.works(made, [made, "-o", given.folder / "large.out.exr", *given.flags])


# With the most rounds that are worth their minutes.
CLOCKS: dict[str, tuple[Callable[[Given], dict[str, Work]], int]] = {
    "frame": (frame, 99), "process": (process, 99), "start": (start, 99), "files": (files, 99),
    "blender": (blender, 3), "sequence": (sequence, 2), "large": (large, 2),
}  # fmt: skip


def write_pfm(path: Path, image: Plane) -> None:
    """Color PFM, little-endian, the lowest row first: what `oidnDenoise` reads."""
    height, width = image.shape[:2]
    with path.open("wb") as file:
        file.write(f"PF\n{width} {height}\n-1.0\n".encode())
        file.write(np.ascontiguousarray(image[::-1], dtype="<f4").tobytes())


def waiting(given: Given, checkout: Path) -> Work:
    """A frame by another checkout's code, in a process that is loaded and warm; it raises `PeerError` where
    that process ended."""
    words = [sys.executable, "-c", WAITING, given.file, given.model.absolute(), given.device]
    child = subprocess.Popen(  # noqa: S603 - ours
        [str(word) for word in words],
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(child.communicate)  # at the end of its stdin it ends

    def work() -> None:
        assert child.stdin
        assert child.stdout
        with contextlib.suppress(BrokenPipeError):
            print(file=child.stdin, flush=True)
        if not child.stdout.readline():
            raise turns.PeerError(f"{checkout}: its mcdenoise can't denoise a frame; see above")

    return work


def _ours(name: str, words: list[object], given: Given) -> dict[str, Work]:
    """Our command, and that of the other checkout if there is one."""
    contenders: dict[str, Work] = {name: partial(turns.process, [*MCDENOISE, *words])}
    if given.beside:
        contenders[f"{name}, {given.beside}"] = partial(turns.process, [*MCDENOISE, *words], cwd=given.beside)
    return contenders
