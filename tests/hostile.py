"""Files that mean harm or were harmed, made of sound ones: for tests of what no file may do."""

import random
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from mcdenoise import exr
from mcdenoise.errors import McdenoiseError
from mcdenoise.exr._header import DEEP, MAGIC, MULTIPART, Raw
from mcdenoise.frame import Frame


def save(path: Path, *, size: tuple[int, int] = (5, 7), kind: Any = OpenEXR.ZIP_COMPRESSION) -> Path:
    """A sound file of noise that packs a little, with albedo and depth."""
    chance = np.random.default_rng(0)
    names = ("R", "G", "B", "albedo.R", "albedo.G", "albedo.B", "depth.Z")
    channels = {name: chance.integers(1, 9, size).astype(np.float16) for name in names}
    OpenEXR.File({"type": OpenEXR.scanlineimage, "compression": kind}, channels).write(str(path))
    return path


def with_attribute(path: Path, name: bytes, packed: bytes) -> Path:
    """The file with the value of a header attribute overwritten, of the same length."""
    file = path.read_bytes()
    start = file.index(name + b"\0") + len(name) + 1
    start = file.index(b"\0", start) + 5
    path.write_bytes(file[:start] + packed + file[start + len(packed) :])
    return path


def with_window(path: Path, *edges: int) -> Path:
    """The file with another data window declared."""
    return with_attribute(path, b"dataWindow", struct.pack("<4i", *edges))


def with_color(path: Path, color: np.ndarray) -> Path:
    """A file of our own with this color."""
    exr.write_frame(path, Frame({"color": color.astype(np.float32)}))
    return path


def with_deep_part(path: Path) -> Path:
    """A file of two parts: a flat one, and a deep one of five scanlines, whose bytes mean nothing here."""
    flat = exr.read(save(path, kind=OpenEXR.ZIPS_COMPRESSION)).parts[0]
    with path.open("rb") as stream:
        chunks = [struct.pack("<i", 0) + flat.chunk(stream, key) for key in flat.places]
    chunks += [struct.pack("<2i3Q", 1, y, 28, 40 + y, 99) + bytes(range(68 + y)) for y in range(5)]
    count = Raw(b"chunkCount", b"int", struct.pack("<i", 5))
    shared = [raw for raw in flat.head.attributes if raw.name not in (b"type", b"name")]
    headers = [
        b"".join(raw.packed for raw in (*shared, count, text(b"type", kind), text(b"name", kind))) + b"\0"
        for kind in (b"scanlineimage", b"deepscanline")
    ]
    start = MAGIC + struct.pack("<I", 2 | DEEP | MULTIPART) + b"".join(headers) + b"\0"
    ends = np.cumsum([len(start) + 80, *map(len, chunks)])
    path.write_bytes(start + ends[:-1].astype("<u8").tobytes() + b"".join(chunks))
    return path


def text(name: bytes, value: bytes) -> Raw:
    return Raw(name, b"string", value)


# ---- fuzzing ----


def survives(path: Path, out: Path) -> None:
    """Read, choose, unpack, replace, write: it works, or one line says why not."""
    try:
        picture = exr.read(path)
        layout = picture.layout()
        frame = exr.frame(picture, layout)
        exr.write(out, picture, exr.replaced({layout.planes["color"]: frame.color}, {"mcdenoise.x": "y"}))
    except McdenoiseError as error:
        said = str(error)
    else:
        said = f"{path}: fine"
        assert exr.read_frame(out).size == frame.size
    assert said.startswith(f"{path}: "), said
    assert said.isprintable(), said


KINDS = [OpenEXR.NO_COMPRESSION, OpenEXR.ZIPS_COMPRESSION, OpenEXR.PIZ_COMPRESSION, OpenEXR.B44_COMPRESSION,
         OpenEXR.DWAA_COMPRESSION, OpenEXR.PXR24_COMPRESSION]  # fmt: skip


def harm(file: bytes, harms: list[tuple[str, int, int]], cut: int | None) -> bytes:
    changed = bytearray(file)
    for how, place, value in harms:
        place %= max(len(changed), 1)
        if how == "set":
            changed[place : place + 1] = bytes([value])
        elif how == "flip":
            changed[place : place + 1] = bytes([changed[place] ^ (1 << value % 8)]) if changed else b""
        elif how == "max":
            changed[place : place + 4] = b"\xff\xff\xff\x7f"
        else:
            del changed[place : place + 1 + value % 8]
    return bytes(changed[:cut])


def fuzz(folder: Path, case: tuple[int, list[tuple[str, int, int]], int | None]) -> None:
    kind, harms, cut = case
    sound = folder / f"{kind}.exr"
    if not sound.exists():
        save(sound, size=(9, 11), kind=KINDS[kind])
    path, out = folder / "in.exr", folder / "out.exr"
    path.write_bytes(harm(sound.read_bytes(), harms, cut))
    out.unlink(missing_ok=True)
    began = time.monotonic()
    survives(path, out)
    # One flipped bit makes a picture of a hundred megabytes of a small one, which is work.
    megabytes = out.stat().st_size / 1e6 if out.exists() else 0
    assert time.monotonic() - began < 30 + megabytes, "it hung"


def fuzz_for(seconds: float, folder: str) -> None:
    """Harm files until the time is over; what kills the process leaves `in.exr` behind."""
    chance, end, count = random.Random(int(time.time())), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        hows = ["set", "flip", "max", "drop"]
        harms = [(chance.choice(hows), int(chance.expovariate(1 / 400)), chance.randrange(256))
                 for _ in range(chance.randrange(1, 5))]  # fmt: skip
        cut = chance.randrange(4000) if chance.random() < 0.1 else None
        fuzz(Path(folder), (chance.randrange(len(KINDS)), harms, cut))
        count += 1
    sys.stderr.write(f"{count} harmed files\n")
