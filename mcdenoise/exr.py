"""EXR file <-> Frame; the only importer of OpenEXR."""

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from mcdenoise.errors import ExrError, NoInputError
from mcdenoise.frame import Attribute, Frame, Plane
from mcdenoise.layouts import OWN_CHANNELS

HALF_MAX = 65504.0  # the largest finite half


def write_frame(path: Path, frame: Frame) -> None:
    """Write `frame` under our own channel names: color and depth as float, albedo and normal as half, ZIP.

    Whole or not at all: written beside as `.NAME.HOST.PID.part`, then renamed.

    Raises:
        ExrError: the file can't be written (no space, no such folder, read-only).
    """
    channels = {}
    for name, plane in frame.planes.items():
        half = name in ("albedo", "normal")
        for i, channel in enumerate(OWN_CHANNELS[name]):
            pixels = to_half(plane[..., i]) if half else plane[..., i].astype(np.float32)
            channels[channel] = np.ascontiguousarray(pixels)
    header = {**frame.attributes, "compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    _write_whole(path, OpenEXR.File(header, channels, num_threads=1))


def read_frame(path: Path) -> Frame:
    """Read what `write_frame` wrote: float32 planes, and the header's str, int and float attributes.

    Raises:
        NoInputError: there is no such file.
        ExrError: it is no readable EXR file.
        FrameError: it holds no R, G, B.
    """
    if not path.exists():
        raise NoInputError(f"{path}: no such file; check the path")
    try:
        part = OpenEXR.File(str(path), separate_channels=True, num_threads=1).parts[0]
    except (RuntimeError, ValueError, MemoryError, UnicodeDecodeError, OSError) as error:
        raise ExrError(f"{path}: damaged or not an EXR file ({error}); render or copy it again") from error
    pixels = {name: channel.pixels for name, channel in part.channels.items()}
    planes = {
        plane: np.stack([pixels[name] for name in names], axis=-1).astype(np.float32)
        for plane, names in OWN_CHANNELS.items()
        if all(name in pixels for name in names)
    }
    return Frame(planes, _attributes(part.header))


def to_half(pixels: Plane) -> np.ndarray:
    """Rounded to the nearest half; what is finite stays finite, clipped to +-65504."""
    clipped = np.where(np.isfinite(pixels), np.clip(pixels, -HALF_MAX, HALF_MAX), pixels)
    return clipped.astype(np.float16)


def _attributes(header: dict[str, Any]) -> dict[str, Attribute]:
    standard = ("name", "pixelAspectRatio", "screenWindowWidth")
    return {k: v for k, v in header.items() if type(v) in (str, int, float) and k not in standard}


def _write_whole(path: Path, file: Any) -> None:
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        try:
            file.write(str(part))
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        raise ExrError(f"{path}: can't be written ({error}); free space or choose another folder") from error
