# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an ONNX file: the part of its format that `mcdenoise export` writes.

By hand, because Blender's Python has no protobuf, and an extension with binary wheels is bound to a version
of Python (docs/decisions/0013). Field numbers are those of onnx.proto.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import WorkError

KEY = "mcdenoise"
VERSION = 1
TYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
}


@dataclass(frozen=True)
class Node:
    """An operator with the names of what goes in ("" is left out) and comes out."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can run."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray] = field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A graph; sides of its pictures are multiples of `stride`, a pixel knows nothing beyond `radius`."""

    graph: Graph = field(repr=False)
    name: str
    stride: int
    radius: int


def read(path: Path) -> Model:
    """The model in a file that `mcdenoise export` wrote.

    Raises:
        WorkError: there is none, or it is damaged, of another kind, or newer.
    """
    try:
        fields = _fields(path.read_bytes())
        about = json.loads(_properties(fields)[KEY])
        if about["version"] > VERSION:
            raise WorkError(f"{path}: version {about['version']}, this extension reads {VERSION}; update it")
        return Model(_graph(fields[7][0]), about["name"], about["stride"], about["radius"])
    except OSError as error:
        raise WorkError(f"{path}: can't be read: {error.strerror}; install the extension again") from error
    except (KeyError, IndexError, ValueError, TypeError, struct.error) as error:
        raise WorkError(
            f"{path}: no model of mcdenoise, or damaged; make it with `mcdenoise export`"
        ) from error


def _properties(fields: Mapping[int, list[Any]]) -> dict[str, str]:
    pairs = [_fields(entry) for entry in fields.get(14, [])]
    return {pair[1][0].decode(): pair[2][0].decode() for pair in pairs}


def _graph(message: bytes) -> Graph:
    fields = _fields(message)
    names = [tuple(_fields(value)[1][0].decode() for value in fields.get(number, [])) for number in (11, 12)]
    constants = dict(_named_tensor(tensor) for tensor in fields.get(5, []))
    return Graph(tuple(_node(node) for node in fields.get(1, [])), constants, *names)


def _node(message: bytes) -> Node:
    fields = _fields(message)
    inputs, outputs = (tuple(name.decode() for name in fields.get(number, [])) for number in (1, 2))
    return Node(fields[4][0].decode(), inputs, outputs, dict(_attribute(a) for a in fields.get(5, [])))


def _attribute(message: bytes) -> tuple[str, Any]:
    fields = _fields(message)
    readers = {
        1: lambda: struct.unpack("<f", fields[2][0])[0],
        2: lambda: _signed(fields.get(3, [0])[0]),
        3: lambda: fields.get(4, [b""])[0].decode(),
        4: lambda: _named_tensor(fields[5][0])[1],
        5: lambda: _graph(fields[6][0]),
        6: lambda: _floats(fields.get(7, [])),
        7: lambda: _integers(fields.get(8, [])),
        8: lambda: [text.decode() for text in fields.get(9, [])],
    }
    return fields[1][0].decode(), readers[fields[20][0]]()


def _named_tensor(message: bytes) -> tuple[str, np.ndarray]:
    fields = _fields(message)
    kind = np.dtype(TYPES[fields[2][0]])
    if 9 in fields:
        values = np.frombuffer(fields[9][0], kind)
    elif 4 in fields:
        values = np.array(_floats(fields[4]), kind)
    else:
        values = np.array(_integers(fields.get(5) or fields.get(7, [])), kind)
    return fields.get(8, [b""])[0].decode(), values.reshape(_integers(fields.get(1, [])))


# ---- protobuf's wire format ----


def _fields(message: bytes) -> dict[int, list[Any]]:
    """The values of each field by its number: integers, or bytes."""
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        if tag & 7 == 0:
            value, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(tag & 7)
            if size is None:
                size, place = _varint(message, place)
            value, place = message[place : place + size], place + size
            if len(value) != size:
                raise ValueError("the file ends too early")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _integers(values: list[Any]) -> list[int]:
    """Of a repeated field, packed or not."""
    return [
        _signed(number)
        for value in values
        for number in (_unpacked(value) if isinstance(value, bytes) else [value])
    ]


def _unpacked(packed: bytes) -> Iterator[int]:
    place = 0
    while place < len(packed):
        value, place = _varint(packed, place)
        yield value


def _floats(values: list[bytes]) -> list[float]:
    return [number for value in values for number in struct.unpack(f"<{len(value) // 4}f", value)]
