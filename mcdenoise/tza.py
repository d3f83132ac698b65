"""Tensor archives: the weights that Open Image Denoise reads (`oidnDenoise -w`, `weights` of its filter).

A header (magic, version 2.0, offset of the table), tensors on multiples of 64 bytes, and the table: of each
its name, shape, layout (`oihw`, `x`), type and offset. All little-endian.

Source: the format as training/tza.py and core/tza.cpp of github.com/RenderKit/oidn read and write it.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mcdenoise import files
from mcdenoise.errors import ModelError

_HEADER, _VERSION = struct.Struct("<HBBQ"), (2, 0)
_MAGIC = 0x41D7
_ALIGNED = 64
_TYPES: dict[str, np.dtype[Any]] = {"f": np.dtype("<f4"), "h": np.dtype("<f2")}
_LAYOUTS = {4: b"oihw", 1: b"x"}


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write weights (four axes) and biases (one), in half precision: OIDN takes nothing else. Whole or not.

    Raises:
        ModelError: the file can't be written.
    """
    body, table = bytearray(_HEADER.size), [struct.pack("<I", len(tensors))]
    for name, tensor in tensors.items():
        body += bytes(-len(body) % _ALIGNED)
        shape = struct.pack(f"<B{tensor.ndim}I", tensor.ndim, *tensor.shape)
        written = name.encode()
        table += [struct.pack("<H", len(written)), written, shape, _LAYOUTS[tensor.ndim], b"h",
                  struct.pack("<Q", len(body))]  # fmt: skip
        body += np.ascontiguousarray(tensor, "<f2").tobytes()
    body += bytes(-len(body) % _ALIGNED)
    _HEADER.pack_into(body, 0, _MAGIC, *_VERSION, len(body))
    try:
        with files.whole(path) as part:
            part.write_bytes(bytes(body) + b"".join(table))
    except OSError as error:
        raise ModelError(f"{path}: can't write: {error}; free some space or choose another folder") from error


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file, as float32.

    Raises:
        ModelError: it can't be read, is damaged, or of another kind.
    """
    try:
        content = path.read_bytes()
        magic, major, _, offset = _HEADER.unpack_from(content)
        if (magic, major) != (_MAGIC, _VERSION[0]):
            raise ModelError(f"{path}: no tensor archive of version 2; give a .tza file of OIDN")
        return _tensors(content, offset)
    except OSError as error:
        raise ModelError(f"{path}: can't read this model: {error}") from error
    except (struct.error, TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: damaged, or cut off; copy it again") from error


def _tensors(content: bytes, place: int) -> dict[str, np.ndarray]:
    found = {}
    (count,) = struct.unpack_from("<I", content, place)
    place += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", content, place)
        name = content[place + 2 : place + 2 + length].decode()
        place += 2 + length
        axes = content[place] if place < len(content) else 0
        shape = struct.unpack_from(f"<{axes}I", content, place + 1)
        place += 1 + 4 * axes + axes  # the layout is a letter for each
        (kind, offset) = struct.unpack_from("<cQ", content, place)
        place += 9
        kind_of = _TYPES[kind.decode("latin-1")]
        stored: np.ndarray = np.ndarray(shape, kind_of, content, offset)
        found[name] = stored.astype(np.float32)
    return found
