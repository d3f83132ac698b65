"""Frames too large to be kept unpacked: read, worked on and written in pieces, with the same result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from mcdenoise import conventions, encoding, exr, frame, selection
from mcdenoise.__main__ import main
from mcdenoise.exr import _source

pytest_plugins = ["halving_engine"]

SIZE = (700, 90)
NAMES = ("R", "G", "B", "A", "albedo.R", "albedo.G", "albedo.B", "normal.X", "normal.Y", "normal.Z", "id")


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, no part is kept, and bands are as small as can be."""

    def start() -> None:
        monkeypatch.setattr(_source, "KEPT_BYTES", 0)
        monkeypatch.setattr(_source, "BAND_BYTES", 1)

    return start


def save(path: Path, **header: Any) -> Path:
    chance = np.random.default_rng(0)
    channels = {name: (chance.random(SIZE) * 9).astype(np.float16) for name in NAMES}
    channels["id"] = chance.integers(0, 9, SIZE).astype(np.uint32)
    corners = (np.array([-5, 7], np.int32), np.array([SIZE[1] - 6, SIZE[0] + 6], np.int32))
    whole = {"type": OpenEXR.scanlineimage, "dataWindow": corners, **header}
    OpenEXR.File(whole, channels).write(str(path))
    return path


def tiled(width: int, height: int) -> dict[str, Any]:
    tiles = OpenEXR.TileDescription()
    tiles.xSize, tiles.ySize = width, height
    return {"type": OpenEXR.tiledimage, "tiles": tiles, "compression": OpenEXR.ZIP_COMPRESSION}


def written(source: Path, target: Path) -> bytes:
    """The file with its color exchanged, the old one kept beside it, and its albedo."""
    picture = exr.read(source)
    chosen = selection.select(picture, selection.Wanted())
    planes = {taken: exr.planes(picture, {"": taken}, chosen.window)[""] / 2
              for taken in (chosen.layout.planes["color"], chosen.layout.planes["albedo"])}  # fmt: skip
    exr.write(target, picture, selection.edits(chosen, planes, {"mcdenoise.x": 1}, keep_noisy=True))
    return target.read_bytes()


@pytest.mark.parametrize(
    "header",
    [
        *({"compression": kind} for kind in (OpenEXR.NO_COMPRESSION, OpenEXR.ZIP_COMPRESSION,
          OpenEXR.PIZ_COMPRESSION, OpenEXR.B44_COMPRESSION, OpenEXR.DWAA_COMPRESSION)),
        {"compression": OpenEXR.ZIPS_COMPRESSION, "lineOrder": OpenEXR.DECREASING_Y},
        tiled(32, 16),
        tiled(64, 300),
    ],
    ids=str,
)  # fmt: skip
def test_part_in_bands_is_read_and_written_as_a_whole_one_is(
    tmp_path: Path, small_bands: Callable[[], None], header: dict[str, Any]
) -> None:
    source = save(tmp_path / "in.exr", **header)
    planes, whole = exr.read_frame(source).planes, written(source, tmp_path / "whole.exr")

    small_bands()

    (part,) = exr.read(source).parts
    assert len(list(part.bands())) > 2
    assert written(source, tmp_path / "bands.exr") == whole
    again = exr.read_frame(source).planes
    assert all(again[name].tobytes() == planes[name].tobytes() for name in planes)


def test_guides_of_another_window_are_moved_onto_the_color_band_by_band(
    tmp_path: Path, small_bands: Callable[[], None]
) -> None:
    picture = exr.read(save(tmp_path / "in.exr", compression=OpenEXR.ZIP_COMPRESSION))
    taken = picture.layout().planes["albedo"]
    window = (10, -20, 200, 650)
    moved = exr.planes(picture, {"albedo": taken}, window)["albedo"]
    small_bands()
    again = exr.planes(exr.read(picture.path), {"albedo": taken}, window)["albedo"]
    assert moved.any()
    assert again.tobytes() == moved.tobytes()


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    color = chance.lognormal(0, 2, (70, 30, 3)).astype(np.float32)
    color[chance.random((70, 30)) < 0.2] = np.nan
    color[30:33, :20] = np.inf
    normal = (chance.random((70, 30, 3)) * 0.5 + 0.2).astype(np.float32)

    def results() -> list[object]:
        sound, count = encoding.finite(color)
        settled = conventions.settle({"normal": normal, "depth": -color[..., :1]})
        return [sound.tobytes(), count, encoding.exposure(sound), conventions.faults(color),
                dict(settled.notes), *(plane.tobytes() for plane in settled.planes.values())]  # fmt: skip

    whole = results()
    monkeypatch.setattr(frame, "STRIP", 7 * 30)
    assert len(frame.strips(70, 30)) == 10
    assert results() == whole


@pytest.mark.usefixtures("halving_engine")
def test_frame_that_takes_more_than_the_free_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "in.exr", compression=OpenEXR.ZIP_COMPRESSION)
    monkeypatch.setattr("mcdenoise.exr._memory.limit", lambda: 60 * SIZE[0] * SIZE[1])
    monkeypatch.setattr("mcdenoise.exr._library.unpacked", lambda *_: pytest.fail("it was read"))
    assert main([str(path), "--quiet"]) == 1
    assert "GiB of memory and" in (told := capsys.readouterr().err)
    assert told.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.exr"]
