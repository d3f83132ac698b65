# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs the network: onnxruntime where it can be imported, numpy anywhere, or an external mcdenoise."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import encoding, numpy_engine, onnx_file, relighting, tiling
from .errors import WorkError

# Tiles done, in parts of one too, and all.
Progress = Callable[[float, int], None]


class Denoiser(Protocol):
    """Denoises one picture's color."""

    name: str

    def __call__(self, planes: Mapping[str, np.ndarray], on_tile: Progress) -> np.ndarray:
        """Denoised color of planes h w c: `color`, and guides that are there."""

    def close(self) -> None:
        """Let go of what it holds; may be called again."""


class Engine(Protocol):
    """Runs the graph of a model on one tile."""

    name: str
    # What it may see at a time.
    pixels: int

    def run(self, color: np.ndarray, guides: np.ndarray, on_share: Callable[[float], None]) -> np.ndarray:
        """1 3 h w of 1 3 h w and 1 10 h w; may say what share of it is done."""


class OnnxRuntime:
    """See `Engine`."""

    # See `numpy_engine.Engine`; 2.2 GiB for the shipped model.
    pixels = 2_100_000

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._session = onnxruntime.InferenceSession(
            str(path), providers=onnxruntime.get_available_providers()
        )

    def run(self, color: np.ndarray, guides: np.ndarray, _on_share: Callable[[float], None]) -> np.ndarray:
        """See `Engine`."""
        return np.asarray(self._session.run(None, {"color": color, "guides": guides})[0])


class Local:
    """A model in this process, tile by tile."""

    def __init__(self, path: Path, kind: str) -> None:
        self._model = onnx_file.read(path)
        self._engine = _engine(path, self._model, kind)
        self.name = self._engine.name

    def __call__(self, planes: Mapping[str, np.ndarray], on_tile: Progress) -> np.ndarray:
        """See `Denoiser`."""
        color, stride = planes["color"], self._model.stride
        size, scale = color.shape[:2], encoding.exposure(color)
        network_sees = encoding.expose(color, scale), encoding.guides(planes, size)
        places = tiling.tiles(size, self._model.radius, stride, self._engine.pixels)
        result = np.empty_like(network_sees[0])
        for done, (rows, columns) in enumerate(places):
            seen = [_padded(part[..., rows.seen, columns.seen], stride) for part in network_sees]
            estimate = self._engine.run(*seen, lambda share, done=done: on_tile(done + share, len(places)))
            result[..., rows.kept, columns.kept] = estimate[..., rows.kept_in_tile, columns.kept_in_tile]
            on_tile(done + 1, len(places))
        # Below black is only what already was there.
        result = np.maximum(result, min(float(network_sees[0].min()), 0.0))
        clean = np.ascontiguousarray(result[0].transpose(1, 2, 0) / scale, np.float32)
        return relighting.give_back(color, clean, scale)

    def close(self) -> None:
        """See `Denoiser`."""


class External:
    """`mcdenoise serve`: torch, a GPU if there is one; planes go through files."""

    def __init__(self, program: str, model: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mcdenoise-")
        self._program, words = program, [program, "serve", "--model", model]
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                **no_window(),
            )
        except OSError as error:
            raise WorkError(
                f"{program}: can't be started: {error.strerror}; set mcdenoise's path in the preferences"
            ) from error
        self.name = self._answer(lambda *_: None)["engine"]

    def __call__(self, planes: Mapping[str, np.ndarray], on_tile: Progress) -> np.ndarray:
        """See `Denoiser`."""
        folder = Path(self._folder.name)
        paths = {name: folder / f"{name}.npy" for name in planes}
        for name, plane in planes.items():
            np.save(paths[name], plane)
        request = {
            "do": "denoise",
            "planes": {n: str(p) for n, p in paths.items()},
            "target": str(folder / "out.npy"),
        }
        with contextlib.suppress(OSError):  # one that is gone is told by what it doesn't answer
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        self._answer(on_tile)
        return np.load(folder / "out.npy")

    def close(self) -> None:
        """See `Denoiser`."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def _answer(self, on_tile: Progress) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if not line.startswith("{"):
                continue
            said = json.loads(line)
            if said["event"] == "tile":
                on_tile(said["done"], said["total"])
            elif said["event"] == "error":
                raise WorkError(said["error"])
            else:
                return said
        raise WorkError(
            f"{self._program}: ended with code {self._process.wait()}; try `mcdenoise serve` in a terminal"
        )


def open_denoiser(request: Mapping[str, Any]) -> Denoiser:
    """The engine that a request asks for: `engine` is auto, onnxruntime, numpy or external.

    Raises:
        WorkError: it isn't there, or can't read the model.
    """
    if request["engine"] == "external":
        return External(request["program"], request["model"])
    return Local(Path(request["model"]), request["engine"])


def no_window() -> dict[str, Any]:
    """So that no console opens on Windows."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}


def _engine(path: Path, model: onnx_file.Model, kind: str) -> Engine:
    if kind in ("auto", "onnxruntime"):
        try:
            return OnnxRuntime(path)
        except ImportError as error:
            if kind == "onnxruntime":
                raise WorkError(
                    f"onnxruntime: {error}; install the extension's full flavour, or choose numpy"
                ) from error
    return numpy_engine.Engine(model)


def _padded(picture: np.ndarray, stride: int) -> np.ndarray:
    """To multiples of the stride, two of them at least: mirrored, or its last row and column repeated where
    there is too little."""
    sides = picture.shape[2:]
    more = [max(-(-side // stride), 2) * stride - side for side in sides]
    fits = all(extent < side for extent, side in zip(more, sides, strict=True))
    widths = [(0, 0), (0, 0), *((0, extent) for extent in more)]
    return np.pad(picture, widths, mode="reflect" if fits else "edge")
