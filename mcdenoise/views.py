"""Views: two or more independent renders of one picture, as a renderer left them in EXR files.

`NAME.a.exr`, `NAME.b.exr`, and where there are more `NAME.c.exr` and so on; or two folders that hold a file
of the same name each. Any renderer that `layouts` knows will do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mcdenoise import exr, soundness
from mcdenoise.errors import FrameError, TrainingError
from mcdenoise.frame import Attribute, Frame

LETTERS = "abcdefgh"
# How planes are kept: what is a target unrounded, guides in half precision.
TYPES = {"color": np.float32, "albedo": np.float16, "normal": np.float16, "depth": np.float32}


@dataclass(frozen=True)
class Files:
    """The files of one view, and its name: the path below the folder without letter and suffix."""

    name: str
    paths: tuple[Path, ...]


@runtime_checkable
class Pixels(Protocol):
    """A plane (h w c) in memory or in a shard: slices of it are arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, channels."""

    def __getitem__(self, window: Any, /) -> np.ndarray:
        """The pixels of a window."""


@dataclass(frozen=True)
class View:
    """A picture's renders, each plane h w c, and what their renderer said of them."""

    scene: str
    name: str
    renders: tuple[Mapping[str, Pixels], ...]
    # Samples per pixel of each render; 0 where they weren't declared.
    spps: tuple[int, ...] = (0, 0)
    filter: str = "unknown"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    # The last render is nearly clean, and the only target (to compare with, see benchmarks.clean_targets).
    has_clean: bool = False
    # Of the frame that this is a tile of; None: its own.
    exposure: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.renders[0]["color"].shape[:2]
        return height, width

    def frame(self, number: int) -> Frame:
        """One of the renders, whole."""
        return Frame({name: plane[:].astype(np.float32) for name, plane in self.renders[number].items()})


def find(folder: Path, second: Path | None = None) -> list[Files]:
    """The views below `folder`, by name; with a second folder, files that have the same path in both.

    Raises:
        TrainingError: there is no such folder, or no view in it.
    """
    for each in (folder, second):
        if each and not each.is_dir():
            raise TrainingError(
                f"{each}: no such folder; make pairs with: mcdenoise render SCENE.xml -o {each}"
            )
    if second:
        names = sorted(path.relative_to(folder) for path in folder.rglob("*.exr"))
        found = [Files(name.with_suffix("").as_posix(), (folder / name, second / name))
                 for name in names if (second / name).is_file()]  # fmt: skip
        missing = f"no .exr of the same name in both {folder} and {second}"
    else:
        found = [_lettered(folder, first) for first in sorted(folder.rglob("*.a.exr"))]
        missing = f"{folder}: no pair to train on; no NAME.a.exr there"
    if not found:
        raise TrainingError(missing)
    return found


def find_single(folder: Path) -> list[Files]:
    """Each .exr file below `folder` as a view of one render.

    Raises:
        TrainingError: there is no such folder, or no frame in it.
    """
    found = [Files(path.relative_to(folder).with_suffix("").as_posix(), (path,))
             for path in sorted(folder.rglob("*.exr"))]  # fmt: skip
    if not found:
        raise TrainingError(f"{folder}: no frame to train on; no .exr there")
    return found


def apart(view: View) -> list[View]:
    """Each render of a view as a view of its own."""
    return [replace(view, name=f"{view.name}.{letter}", renders=(render,), spps=(spp,))
            for letter, render, spp in zip(LETTERS, view.renders, view.spps, strict=False)]  # fmt: skip


def read(files: Files) -> tuple[View, list[str]]:
    """A view in memory, and what is wrong with it, if anything (see `soundness.faults`).

    Raises:
        NoInputError, ExrError, FrameError: a file can't be read, or its data windows differ.
    """
    pictures = [exr.read(path) for path in files.paths]
    layouts = [picture.layout() for picture in pictures]
    windows = [p.parts[x.planes["color"].part].window for p, x in zip(pictures, layouts, strict=True)]
    if len({*windows}) > 1:
        raise FrameError(
            f"{files.paths[0]}: its halves differ in data window: {windows[0]} and {windows[-1]}"
        )
    frames = [exr.frame(picture, layout) for picture, layout in zip(pictures, layouts, strict=True)]
    faults = soundness.faults(frames) if len(frames) > 1 else soundness.faults_alone(frames[0])
    return _view(files, frames), faults


def _lettered(folder: Path, first: Path) -> Files:
    stem = first.name.removesuffix(".a.exr")
    paths = [first.with_name(f"{stem}.{letter}.exr") for letter in LETTERS]
    name = (first.parent.relative_to(folder) / stem).as_posix()
    return Files(name, (*paths[:2], *takewhile(Path.exists, paths[2:])))


def _view(files: Files, frames: Sequence[Frame]) -> View:
    said = frames[0].attributes
    return View(
        scene=str(said.get("mcdenoise.scene", Path(files.name).name.split(".")[0])),
        name=files.name,
        renders=tuple(_compact(frame) for frame in frames),
        spps=tuple(_number(frame.attributes.get("mcdenoise.spp")) for frame in frames),
        filter=str(said.get("mcdenoise.filter", "unknown")),
        attributes=said,
    )


def _number(value: Attribute | None) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _compact(frame: Frame) -> dict[str, np.ndarray]:
    return {name: frame.planes[name].astype(kind) for name, kind in TYPES.items() if name in frame.planes}
