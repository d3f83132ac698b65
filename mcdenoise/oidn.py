"""Intel Open Image Denoise as its users run it: HDR, in its three settings. The peer that ours stands beside.

Importing it needs pyoidn.

Source: pyoidn (https://pypi.org/project/pyoidn), the wheel that carries OIDN's own libraries.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import pyoidn

from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame, Plane

QUALITIES = {
    "high": pyoidn.OIDN_QUALITY_HIGH,
    "balanced": pyoidn.OIDN_QUALITY_BALANCED,
    "fast": pyoidn.OIDN_QUALITY_FAST,
}


def color_only(frame: Frame, *, quality: str = "high") -> Plane:
    """The color alone."""
    return _run("color", {"color": frame.color}, quality=quality, hdr=True)


def with_albedo(frame: Frame, *, quality: str = "high") -> Plane:
    """Color and albedo as they were rendered."""
    given = {name: frame.planes[name] for name in ("color", "albedo")}
    return _run("with albedo", given, quality=quality, hdr=True)


def noisy_guides(frame: Frame, *, quality: str = "high") -> Plane:
    """Albedo and normal as they were rendered."""
    return _run("noisy guides", _guided(frame), quality=quality, hdr=True)


def clean_guides(frame: Frame, *, quality: str = "high") -> Plane:
    """Albedo and normal denoised first, each by itself, then taken as noise-free (cleanAux)."""
    images = _guided(frame)
    for name in ("albedo", "normal"):
        images[name] = _run(f"prefilter {name}", {name: images[name]}, quality=quality)
    return _run("clean guides", images, quality=quality, hdr=True, cleanAux=True)


def modes(frame: Frame, *, quality: str = "high") -> Mapping[str, Callable[[Frame], Plane]]:
    """The settings that OIDN can run on this frame, by name: without both guides only the first."""
    known = {"color only": color_only, "noisy guides": noisy_guides, "clean guides": clean_guides}
    usable = known if {"albedo", "normal"} <= frame.planes.keys() else {"color only": color_only}
    return {name: partial(run, quality=quality) for name, run in usable.items()}


def _guided(frame: Frame) -> dict[str, Plane]:
    return {name: frame.planes[name] for name in ("color", "albedo", "normal")}


def _run(role: str, images: Mapping[str, Plane], *, quality: str, **flags: bool) -> Plane:
    """Denoise `images` by the filter kept for `role`; it is set up anew only where the size changes.

    Raises:
        McdenoiseError: OIDN's own message.
    """
    filter_ = _filter(role, quality)
    # These stay referenced until `execute` is done: OIDN reads and writes their memory directly.
    inputs = {name: np.ascontiguousarray(image, dtype=np.float32) for name, image in images.items()}
    output = np.empty_like(next(iter(inputs.values())))
    for name, image in {**inputs, "output": output}.items():
        filter_.set_image(name, image, pyoidn.OIDN_FORMAT_FLOAT3)
    for name, value in flags.items():
        filter_.set_bool(name, value)
    filter_.set_quality(QUALITIES[quality])
    filter_.commit()
    filter_.execute()
    if message := _device().get_error():
        raise McdenoiseError(f"OIDN, {role}: {message}")
    return output


@cache
def _filter(role: str, quality: str) -> pyoidn.Filter:  # noqa: ARG001 - they only tell filters apart
    return pyoidn.Filter(_device(), pyoidn.OIDN_FILTER_TYPE_RT)


@cache
def _device() -> pyoidn.Device:
    device = pyoidn.Device(pyoidn.OIDN_DEVICE_TYPE_CPU)
    device.commit()
    return device
