"""inspect: what it says of a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from mcdenoise.__main__ import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.PIZ_COMPRESSION,
        "dataWindow": (np.array([-2, -1], np.int32), np.array([1, 1], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([9, 9], np.int32)),
        "spp": 8,
        "manifest": "x" * 500,
    }
    half, single = np.ones((3, 4), np.float16), np.ones((3, 4), np.float32)
    channels = {"R": half, "G": half.copy(), "B": half.copy(), "A": single, "dd.T": single.copy()}
    OpenEXR.File(header, channels).write(str(tmp_path / "f.exr"))
    return tmp_path / "f.exr"


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["inspect", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_holds_layers_types_windows_compression_and_planes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert described(capsys, str(file)) == [
        {
            "file": str(file),
            "parts": [
                {
                    "name": "",
                    "type": "scanlineimage",
                    "compression": "PIZ",
                    "data_window": [-2, -1, 1, 1],
                    "display_window": [0, 0, 9, 9],
                    "layers": [
                        {"name": "", "channels": {"A": "float", "B": "half", "G": "half", "R": "half"}},
                        {"name": "dd", "channels": {"T": "float"}},
                    ],
                    "attributes": {"manifest": "x" * 500, "spp": 8},
                }
            ],
            "planes": {
                "color": {
                    "part": 0,
                    "layer": "",
                    "channels": ["R", "G", "B"],
                    "reason": "Mitsuba: channels without a layer",
                },
                "depth": {
                    "part": 0,
                    "layer": "dd",
                    "channels": ["dd.T"],
                    "reason": "Mitsuba: 'dd' (there is no 'depth')",
                },
            },
            "others": [],
            "alpha": {"part": 0, "layer": "", "channels": ["A"], "reason": "the color's alpha"},
        }
    ]


def test_text_is_aligned_and_long_values_are_cut(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(file)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  4x3, scanlineimage, PIZ, data window [-2, -1, 1, 1], display window [0, 0, 9, 9]"
    assert lines[2:4] == ["    (no layer)  R G B half, A float", "    dd          T float"]
    assert f"    manifest  {'x' * 60}... (500 characters)" in lines
    assert "    albedo  none  - no layer of a name that is known; --albedo LAYER takes one" in lines
    assert all(len(line) <= 120 for line in lines)


def test_file_without_color_says_why_it_cannot_be_denoised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File(header, {"Y": np.ones((2, 2), np.float32)}).write(str(tmp_path / "y.exr"))

    assert described(capsys, str(tmp_path / "y.exr"))[0]["problem"] == "no R, G, B to denoise; it has: Y"
    assert main(["inspect", str(tmp_path / "y.exr")]) == 0
    assert "nothing  no R, G, B to denoise; it has: Y" in capsys.readouterr().out


def test_bad_file_does_not_stop_the_rest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(file.with_name("no.exr")), str(file), "--json"]) == 3

    printed = capsys.readouterr()
    assert [d["file"] for d in json.loads(printed.out)] == [str(file)]
    assert printed.err == f"mcdenoise: {file.with_name('no.exr')}: no such file; check the path\n"


def test_layers_of_blenders_parts_are_told(shared_assets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared_assets / "exr/cycles/interior_5.0.1_A_8spp_seed1.exr"

    (told,) = described(capsys, str(path))

    assert [part["name"] for part in told["parts"]][:2] == [
        "ViewLayer.Combined",
        "ViewLayer.Denoising Normal",
    ]
    assert told["parts"][0]["attributes"]["cycles.ViewLayer.samples"] == "8"
    assert {name: plane["part"] for name, plane in told["planes"].items()} == {
        "color": 0,
        "albedo": 2,
        "normal": 1,
        "depth": 3,
    }


def test_light_is_told_with_its_reason_and_what_is_left_with_its_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    layers = ("", "diffuse.", "rawLight.", "GI.", "ramp.", "crypto00.")
    planes = {f"{layer}{last}": np.ones((2, 2), np.float32) for layer in layers for last in "RGB"}
    OpenEXR.File(header, planes).write(str(tmp_path / "f.exr"))

    assert main(["inspect", str(tmp_path / "f.exr")]) == 0

    told = capsys.readouterr().out.partition("taken for\n")[2]
    missed = "there is no 'denoiser_albedo', no 'diffuseFilter', no 'VRayDiffuseFilter'"
    assert [line.split(maxsplit=1) for line in told.splitlines() if "none" not in line] == [
        ["color", "(no layer)  R G B  - V-Ray: channels without a layer"],
        ["albedo", f"diffuse  R G B  - V-Ray: 'diffuse' ({missed})"],
        ["light", "GI  R G B  - V-Ray: part of the light"],
        ["light", "rawLight  R G B  - V-Ray: part of the light, once multiplied by diffuse"],
        ["left", "as it is  ramp  - no light by its name; --aovs ramp takes it along"],
    ]  # fmt: skip


def test_names_that_would_steer_a_terminal_are_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "note": "a\x1b[2Jb"}
    planes = {name: np.ones((2, 2), np.float32) for name in ("R", "G", "B", "\x1b[31m.R")}
    OpenEXR.File(header, planes).write(str(tmp_path / "f.exr"))

    assert main(["inspect", str(tmp_path / "f.exr")]) == 0

    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[31m" in printed
