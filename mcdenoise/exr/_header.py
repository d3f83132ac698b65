"""What a file declares about itself, read without the library, which can't be trusted with every header.

Source: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from mcdenoise.errors import ExrError

Window = tuple[int, int, int, int]  # x and y of the first pixel, x and y of the last one

DAMAGED = "damaged or cut off; copy or render it again"
MAGIC = b"\x76\x2f\x31\x01"
# Bits of the version: tiles in a file of one part, names beyond 31 bytes, deep data, several parts.
TILED, LONG_NAMES, DEEP, MULTIPART = 0x200, 0x400, 0x800, 0x1000
COMPRESSIONS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB", "HTJ2K256",
                "HTJ2K32", "LJ2K", "ZSTD")  # fmt: skip
_TYPES = {0: "uint", 1: "half", 2: "float"}
BYTES = {"uint": 4, "half": 2, "float": 4}
# Headers beyond this are damage: the largest seen, a cryptomatte manifest, had 1.2 MB.
_MOST_HEADER = 2**28


@runtime_checkable
class Readable(Protocol):
    """Bytes of a file, on a disk or in memory."""

    def read(self, size: int, /) -> bytes:
        """So many, or fewer at the end."""

    def seek(self, offset: int, /) -> int:
        """Go there."""

    def tell(self) -> int:
        """Where it stands."""


@dataclass(frozen=True)
class Raw:
    """An attribute as it lies in the file."""

    name: bytes
    kind: bytes
    value: bytes

    @property
    def packed(self) -> bytes:
        """Its bytes in a header."""
        return b"%b\0%b\0%b%b" % (self.name, self.kind, struct.pack("<i", len(self.value)), self.value)


@dataclass(frozen=True)
class Channel:
    """A channel's name, type (`half`, `float`, `uint`), sampling in x and y, and mark for lossy packing."""

    name: str
    kind: str
    sampling: tuple[int, int] = (1, 1)
    linear: bool = False


@dataclass(frozen=True)
class Tiles:
    """The size of tiles in pixels, and how smaller levels of the picture are made."""

    width: int
    height: int
    mode: int  # 0 one level, 1 mipmap, 2 ripmap
    rounds_up: bool


@dataclass(frozen=True)
class Head:
    """The header of one part. `attributes` are all there are, in their order."""

    attributes: tuple[Raw, ...]
    channels: tuple[Channel, ...]
    window: Window
    compression: int
    kind: str  # scanlineimage, tiledimage, deepscanline, deeptile
    tiles: Tiles | None

    @property
    def is_deep(self) -> bool:
        """Whether pixels hold lists of samples."""
        return self.kind.startswith("deep")

    @cached_property
    def values(self) -> Mapping[str, str | int | float]:
        """The attributes that are a text or a number, by name."""
        read = {b"string": text, b"int": "<i", b"float": "<f", b"double": "<d"}
        found: dict[str, str | int | float] = {}
        for raw in self.attributes:
            how = read.get(raw.kind)
            if callable(how):
                found[text(raw.name)] = how(raw.value)
            elif isinstance(how, str) and len(raw.value) == struct.calcsize(how):
                found[text(raw.name)] = struct.unpack(how, raw.value)[0]
        return found

    @property
    def display_window(self) -> Window:
        """The `displayWindow`, or the data window where none is declared."""
        packed = self._packed("displayWindow")
        return window(packed) if len(packed) == 16 else self.window

    def matrix(self, name: str) -> tuple[float, ...]:
        """A 4 x 4 matrix row by row, for vectors that are rows; empty if there is none."""
        packed = self._packed(name)
        return struct.unpack("<16f", packed) if len(packed) == 64 else ()

    def _packed(self, name: str) -> bytes:
        return {raw.name: raw.value for raw in self.attributes}.get(name.encode(), b"")

    @property
    def name(self) -> str:
        """The part's name, empty in most files of one part."""
        return str(self.values.get("name", ""))


class DamageError(Exception):
    """The bytes can't be what they should be; what is wrong."""


def heads(path: Path, stream: Readable, size: int) -> tuple[int, list[Head]]:
    """The version with its flags, and each part's header; the stream stands behind them, at the offsets.

    Raises:
        ExrError: it isn't EXR.
        DamageError: it is, and can't be read on.
    """
    flags = _flags(path, stream)
    found = []
    for attributes in _headers(stream, min(size, _MOST_HEADER), multipart=bool(flags & MULTIPART)):
        try:
            found.append(_head(attributes, flags))
        except (struct.error, KeyError, IndexError) as error:
            raise DamageError("its header makes no sense") from error
    if not found:
        raise DamageError("it has no header")
    return flags, found


def text(raw: bytes) -> str:
    """UTF-8 as the format wants it, else Latin-1, which any bytes can be."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def window(packed: bytes) -> Window:
    """A `box2i`."""
    x0, y0, x1, y1 = struct.unpack("<4i", packed)
    return x0, y0, x1, y1


def packed_channels(channels: Sequence[Channel]) -> bytes:
    """A `chlist`: name, zero, type, linear, 3 reserved bytes, x and y sampling; no name ends it."""
    numbers = {kind: number for number, kind in _TYPES.items()}
    return b"".join(
        channel.name.encode() + b"\0"
        + struct.pack("<iB3xii", numbers[channel.kind], channel.linear, *channel.sampling)
        for channel in channels
    ) + b"\0"  # fmt: skip


def plain(head: Head, window: Window) -> list[Raw]:
    """The attributes that every file must have, for the channels and the compression of `head`."""
    box = struct.pack("<4i", *window)
    return [
        Raw(b"channels", b"chlist", packed_channels(head.channels)),
        Raw(b"compression", b"compression", bytes([head.compression])),
        Raw(b"dataWindow", b"box2i", box),
        Raw(b"displayWindow", b"box2i", box),
        Raw(b"lineOrder", b"lineOrder", b"\0"),
        Raw(b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        Raw(b"screenWindowCenter", b"v2f", bytes(8)),
        Raw(b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]


# ---- bytes ----


def _flags(path: Path, stream: Readable) -> int:
    start = stream.read(8)
    if not start:
        raise ExrError(f"{path}: the file is empty; render or copy it again")
    if start[:4] != MAGIC[: len(start)]:
        raise ExrError(f"{path}: not an OpenEXR file; give an .exr file")
    if len(start) < 8:
        raise DamageError("it ends in its header")
    version: int = struct.unpack("<4xI", start)[0]
    if version & 0xFF != 2:
        raise ExrError(f"{path}: EXR version {version & 0xFF} isn't known; write it as version 2")
    return version


def _head(attributes: Sequence[Raw], flags: int) -> Head:
    given = {raw.name: raw.value for raw in reversed(attributes)}
    kind = text(given.get(b"type", b"tiledimage" if flags & TILED else b"scanlineimage"))
    if flags & DEEP and not flags & MULTIPART:
        kind = "deepscanline"
    if kind not in ("scanlineimage", "tiledimage", "deepscanline", "deeptile"):
        raise DamageError(f"its type is {kind!a}")
    x0, y0, x1, y1 = placed = window(given[b"dataWindow"])
    if x1 < x0 or y1 < y0:
        raise DamageError("its data window has no pixels")
    if max(abs(edge) for edge in placed) >= 2**30:
        raise DamageError("its data window lies where no picture is")
    tiles = _tiles(given[b"tiles"]) if kind in ("tiledimage", "deeptile") else None
    channels = tuple(_channels(given[b"channels"]))
    return Head(tuple(attributes), channels, placed, given[b"compression"][0], kind, tiles)


def _tiles(packed: bytes) -> Tiles:
    width, height, mode = struct.unpack("<IIB", packed)
    if not (0 < width < 2**30 and 0 < height < 2**30 and mode & 0x0F < 3):
        raise DamageError("its tiles have no size")
    return Tiles(width, height, mode & 0x0F, bool(mode >> 4))


def _headers(stream: Readable, most: int, *, multipart: bool) -> Iterator[list[Raw]]:
    while header := list(_attributes(stream, most)):
        yield header
        if not multipart:
            return


def _attributes(stream: Readable, most: int) -> Iterator[Raw]:
    while name := _text(stream):
        kind, length = _text(stream), stream.read(4)
        size = int.from_bytes(length, "little", signed=True)
        if len(length) < 4 or not 0 <= size <= most:
            raise DamageError("a header attribute has no end")
        value = stream.read(size)
        if len(value) < size:
            raise DamageError("it ends in its header")
        yield Raw(name, kind, value)


def _text(stream: Readable, longest: int = 255) -> bytes:
    """Bytes up to the next zero."""
    start = stream.tell()
    found, zero, _ = stream.read(longest + 1).partition(b"\0")
    if not zero:
        raise DamageError("its header has no end")
    stream.seek(start + len(found) + 1)
    return found


def _channels(packed: bytes) -> Iterator[Channel]:
    names = [rest.partition(b"\0")[0] for rest in _entries(packed)]
    encoding = "utf-8" if all(_is_utf8(name) for name in names) else "latin-1"
    for name, rest in zip(names, _entries(packed), strict=True):
        kind, linear, x, y = struct.unpack_from("<iB3xii", rest, len(name) + 1)
        if x < 1 or y < 1:
            raise DamageError("a channel is sampled nowhere")
        yield Channel(name.decode(encoding), _TYPES[kind], (x, y), bool(linear))
    if len(set(names)) < len(names):
        raise DamageError("two channels have one name")


def _entries(packed: bytes) -> Iterator[bytes]:
    while packed and packed[0]:
        yield packed
        packed = packed[packed.index(b"\0") + 17 :] if b"\0" in packed else b""


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
