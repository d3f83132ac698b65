"""A frame that was given to the page of `mcdenoise demo`, denoised as `mcdenoise` does it, and compared."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcdenoise import exr, metrics, page
from mcdenoise.commands import _jobs, _stages, denoise
from mcdenoise.errors import FrameError, McdenoiseError
from mcdenoise.frame import Frame
from mcdenoise.metrics import Image
from mcdenoise.page import Comparison

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser

# Told what is being done, and in which of how many tiles.
Step = Callable[[str, int, int], None]


@dataclass
class Trial:
    """One frame in a folder of its own: its files by role (frame, half, reference), and what came of them."""

    folder: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    denoised: Comparison | None = None
    target: Path = Path()

    def take(self, role: str, path: Path, denoiser: "Denoiser", step: Step) -> Comparison:
        """Do what a new file asks for. If it can't be done, all is as it was before.

        Raises:
            McdenoiseError: in a line, in which files have their names without the folder.
        """
        inputs = {**self.inputs, role: path}
        try:
            if role == "reference" and self.denoised:
                denoised, target = self.denoised, self.target
            else:
                denoised, target = _denoise(inputs, denoiser, step)
            compared = _compare(denoised, inputs["reference"], step) if "reference" in inputs else denoised
        except Exception as error:  # whatever it is, it's of this file and goes to the page
            told = _stages.explained(_jobs.Job(path, path), error)
            raise McdenoiseError(self._without_folders(str(told))) from error
        self.inputs, self.denoised, self.target = inputs, denoised, target
        return replace(compared, remark=self._without_folders(compared.remark))

    def _without_folders(self, text: str) -> str:
        for role in ("frame", "half", "reference"):
            text = text.replace(f"{self.folder / role}{os.sep}", "")
        return text


def _denoise(inputs: Mapping[str, Path], denoiser: "Denoiser", step: Step) -> tuple[Comparison, Path]:
    """The pictures, and the file with everything else of the frame in it."""
    arguments = _arguments(inputs)
    (job,) = _jobs.plan(arguments)
    step("reading", 0, 0)
    read = _stages.read(job, arguments)
    assert read is not None  # nothing is skipped without --skip-existing
    noisy = read.frame if read.half is None else _mean(read.frame, read.half)
    step("denoising", 0, 0)
    worked = _stages.denoise(
        job,
        read,
        denoiser=denoiser,
        arguments=arguments,
        on_tile=lambda done, of: step("denoising", done, of),
    )
    assert worked is not None
    step("writing", 0, 0)
    written = _stages.write(job, worked, arguments)
    images = {"noisy": noisy.color, "denoised": worked.clean.color, **_by_oidn(noisy, step)}
    mean = "; noisy is the mean of both halves" if read.half else ""
    errors = {"denoised": worked.estimate.error[..., None]} if worked.estimate else {}
    remark = f"{written.summary}{mean}"
    return Comparison(job.source.name, images, ("noisy", "denoised"), errors, remark=remark), job.target


def _arguments(inputs: Mapping[str, Path]) -> argparse.Namespace:
    """Those of `mcdenoise FRAME.exr` as it is used most."""
    parser = argparse.ArgumentParser()
    denoise.add_arguments(parser)
    half = ["--half", str(inputs["half"])] if "half" in inputs else []
    return parser.parse_args([str(inputs["frame"]), *half, "--force", "--quiet"])


def _mean(one: Frame, other: Frame) -> Frame:
    planes = {name: (plane + other.planes[name]) / np.float32(2) for name, plane in one.planes.items()}
    return Frame(planes, one.attributes)


def _by_oidn(noisy: Frame, step: Step) -> dict[str, Image]:
    """What OIDN makes of it, in the best of its settings that the guides allow; nothing without pyoidn."""
    if find_spec("pyoidn") is None:
        return {}
    from mcdenoise import oidn

    step("OIDN beside it", 0, 0)
    name, run = list(oidn.modes(noisy).items())[-1]
    return {f"OIDN ({name})": run(noisy)}


def _compare(denoised: Comparison, path: Path, step: Step) -> Comparison:
    """With the reference of that file, and how far each picture is from it.

    Raises:
        FrameError: it has another size.
    """
    step("comparing", 0, 0)
    reference = exr.read_frame(path).color
    shape = denoised.images["noisy"].shape
    if reference.shape != shape:
        sizes = f"{reference.shape[1]}x{reference.shape[0]}, the frame {shape[1]}x{shape[0]}"
        raise FrameError(f"{path}: is {sizes}; compare pictures of one size")
    scores = {name: metrics.measure(image, reference) for name, image in denoised.images.items()}
    return replace(
        denoised, images={**denoised.images, page.REFERENCE: reference}, table=metrics.table(scores)
    )
