"""What is taken from a file, through the command line and the known stand-in for a network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from mcdenoise import exr
from mcdenoise.__main__ import main

pytest_plugins = ["halving_engine"]
pytestmark = pytest.mark.usefixtures("halving_engine")

SIZE = (6, 8)


def channels(kinds: Mapping[str, str], *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random channels: `{"light_key": "RGB"}` is light_key.R ...; halves, but for depth."""
    chance = np.random.default_rng(seed)
    names = [f"{layer}.{last}" if layer else last for layer, lasts in kinds.items() for last in lasts]
    return {
        name: chance.random(SIZE).astype(np.float32 if name.endswith("Z") else np.float16) for name in names
    }


def save(path: Path, planes: Mapping[str, np.ndarray], **header: Any) -> Path:
    whole = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, **header}
    OpenEXR.File(whole, dict(planes)).write(str(path))
    return path


def denoised(path: Path, *flags: str) -> exr.Part:
    assert main([str(path), "-o", str(path.with_name("out.exr")), "--force", *flags]) == 0
    return exr.read(path.with_name("out.exr")).parts[0]


def changed(path: Path, *flags: str) -> set[str]:
    """The layers whose pixels aren't what they were."""
    before, after = exr.read(path).parts[0].pixels, denoised(path, *flags).pixels
    names = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    return {name.rpartition(".")[0] or name for name in names}


@pytest.fixture
def lit(tmp_path: Path) -> Path:
    """A beauty of two lights, with data of all sorts."""
    data = {"crypto_object00": "RGB", "position": "XYZ", "motion": "RGB", "N": "XYZ", "depth": "Z"}
    planes = channels({"light_key": "RGB", "light_fill": "RGB", "albedo": "RGB", "ramp": "RGB", **data})
    for last in "RGB":
        planes[last] = planes[f"light_key.{last}"] + planes[f"light_fill.{last}"]
    return save(tmp_path / "in.exr", {**planes, "A": np.linspace(0, 1, 48).reshape(SIZE).astype(np.float16)})


@pytest.mark.parametrize(
    ("aovs", "expected"),
    [
        ("auto", {"R", "G", "B", "A", "light_key", "light_fill"}),
        ("none", {"R", "G", "B"}),
        ("all", {"R", "G", "B", "A", "light_key", "light_fill", "ramp"}),
        ("light_fill", {"R", "G", "B", "A", "light_fill"}),
        ("Light_Fill, ramp", {"R", "G", "B", "A", "light_fill", "ramp"}),
    ],
)
def test_the_layers_asked_for_are_denoised_and_data_never(lit: Path, aovs: str, expected: set[str]) -> None:
    assert changed(lit, "--aovs", aovs) == expected


@pytest.mark.parametrize("name", ["crypto_object00", "motion", "albedo"])
def test_data_named_as_light_is_refused(lit: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(lit), "--aovs", name]) == 1
    assert f"layer '{name}' is data or a guide, not light" in capsys.readouterr().err


def test_layer_that_is_not_there_is_refused_with_those_that_are(
    lit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (["--aovs", "gone"], ["--albedo", "gone"], ["--color", "gone"]):
        assert main([str(lit), *flags]) == 1
        told = capsys.readouterr().err
        assert "no layer 'gone'; it has: " in told
        assert "light_key" in told


def test_result_and_its_parts_add_up_to_half_precision(lit: Path) -> None:
    after = denoised(lit).pixels
    for last in "RGB":
        total = after[f"light_key.{last}"].astype(np.float32) + after[f"light_fill.{last}"]
        np.testing.assert_allclose(total, after[last], rtol=2e-3)


def test_light_that_is_stored_without_the_surfaces_color_is_multiplied_and_divided(tmp_path: Path) -> None:
    kinds = {f"V.{name}": "RGB" for name in ("Combined", "DiffDir", "DiffInd", "DiffCol", "Emit")}
    planes = channels(kinds)
    planes["V.DiffCol.R"][0] = 0  # black: nothing to divide by
    path = save(tmp_path / "in.exr", planes)

    after = denoised(path).pixels

    for last in "RGB":
        stored, now = (pixels[f"V.DiffDir.{last}"].astype(np.float32) for pixels in (planes, after))
        black = planes[f"V.DiffCol.{last}"] == 0
        np.testing.assert_allclose(now[~black], stored[~black] / 2, rtol=2e-3)
        np.testing.assert_array_equal(now[black], stored[black])
        assert after[f"V.DiffCol.{last}"].tobytes() == planes[f"V.DiffCol.{last}"].tobytes()


def test_constant_alpha_is_not_touched(tmp_path: Path) -> None:
    planes = {**channels({"": "RGB"}), "A": np.ones(SIZE, np.float32)}
    assert changed(save(tmp_path / "in.exr", planes)) == {"R", "G", "B"}


# ---- guides by name, from other files, by meaning ----


def test_guides_are_taken_by_name_and_from_other_files(lit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = save(lit.with_name("guides.exr"), channels({"mine": "RGB", "nn": "XYZ"}, seed=1))

    denoised(lit, "--albedo", "ramp", "--normal", f"{other}::nn", "--depth", "none")

    told = capsys.readouterr().out
    assert f"albedo ramp, normal {other}::nn, depth none" in told


def test_guide_of_another_file_that_covers_other_pixels_is_refused(
    lit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = (np.array([900, 900], np.int32), np.array([907, 905], np.int32))
    other = save(lit.with_name("far.exr"), channels({"a": "RGB"}), dataWindow=far)
    assert main([str(lit), "--albedo", f"{other}::a"]) == 1
    assert f"{other}: covers none of the pixels of {lit}" in capsys.readouterr().err


def test_color_of_another_layer_is_denoised_in_place(lit: Path) -> None:
    assert changed(lit, "--color", "ramp", "--aovs", "none") == {"ramp"}


@pytest.mark.parametrize("flags", [["--color", "x.exr::rgb"], ["--inplace", "-o", "x.exr"]])
def test_what_cannot_be_is_wrong_use(lit: Path, flags: list[str]) -> None:
    assert main([str(lit), *flags]) in (1, 2)


@pytest.mark.parametrize(
    ("plane", "layer", "lasts"),
    [("albedo", "diffcol", "RGB"), ("normal", "nrm", "RGB"), ("normal", "my normals", "XYZ"),
     ("depth", "z_depth", "R")],
)  # fmt: skip
def test_layers_are_matched_by_meaning_and_reported_as_a_guess(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plane: str, layer: str, lasts: str
) -> None:
    path = save(tmp_path / "in.exr", channels({"": "RGB", layer.replace("my ", "x."): lasts}))

    assert main(["inspect", str(path), "--json"]) == 0

    found = json.loads(capsys.readouterr().out)[0]["planes"][plane]
    assert found["reason"] == f"a guess: the name sounds like {plane}"
    denoised(path)
    assert "(a guess)" in capsys.readouterr().out


def test_guess_with_values_of_another_thing_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planes = channels({"": "RGB", "nrm": "RGB"})
    planes |= {f"nrm.{last}": np.full(SIZE, 300, np.float16) for last in "RGB"}
    denoised(save(tmp_path / "in.exr", planes))
    assert "normal left out: its values are no directions" in capsys.readouterr().out


# ---- keep noisy, compression, nonfinite, in place ----


def test_noisy_input_is_kept_as_a_layer_of_its_own(lit: Path) -> None:
    before, after = exr.read(lit).parts[0], denoised(lit, "--keep-noisy")

    assert {name: kind for name, kind in after.types.items() if name.startswith("noisy.")} == {
        f"noisy.{last}": "half" for last in "RGB"
    }
    for last in "RGB":
        assert after.pixels[f"noisy.{last}"].tobytes() == before.pixels[last].tobytes()
    twice = denoised(lit.with_name("out.exr").rename(lit.with_name("again.exr")), "--keep-noisy")
    assert "noisy2.R" in twice.types


@pytest.mark.parametrize("name", ["none", "piz", "zips", "rle"])
def test_compression_is_exchanged_and_every_other_channel_stays(lit: Path, name: str) -> None:
    before, after = exr.read(lit).parts[0], denoised(lit, "--compression", name, "--aovs", "none")

    assert after.compression == {"none": "NO"}.get(name, name.upper())
    kept = set(before.pixels) - set("RGB")
    assert all(before.pixels[n].tobytes() == after.pixels[n].tobytes() for n in kept)
    assert OpenEXR.File(str(lit.with_name("out.exr"))).parts, "the library reads it"


def test_lossy_packing_of_cryptomatte_warns(lit: Path, caplog: pytest.LogCaptureFixture) -> None:
    marked = save(lit.with_name("c.exr"), channels({"": "RGB"}), **{"cryptomatte/1f/name": "crypto"})
    denoised(marked, "--compression", "dwaa")
    assert "holds cryptomatte, which DWAA breaks; choose zip" in caplog.text


def test_unknown_compression_is_wrong_use(lit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(lit), "--compression", "jpeg"]) == 2
    assert "'jpeg' isn't one of none, rle, zips, zip" in capsys.readouterr().err


def test_what_is_no_number_is_put_back_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planes = channels({"": "RGB"})
    planes["R"][2, 3], planes["G"][4, 4] = np.nan, -np.inf
    path = save(tmp_path / "in.exr", planes)

    plain, kept = denoised(path).pixels, denoised(path, "--keep-nonfinite").pixels

    assert all(np.isfinite(plain[last]).all() for last in "RGB")
    assert np.isnan(kept["R"][2, 3])
    assert kept["G"][4, 4] == -np.inf
    assert (~np.isfinite(kept["R"])).sum() == 1
    assert "2 pixels of NaN or Inf replaced" in capsys.readouterr().out


@pytest.mark.parametrize("through", ["path", "link"])
def test_in_place_replaces_the_frame_and_keeps_links(lit: Path, through: str) -> None:
    before = exr.read(lit).parts[0].pixels["R"].copy()
    given = lit
    if through == "link":
        given = lit.with_name("link.exr")
        given.symlink_to(lit.name)

    assert main([str(given), "--inplace", "--quiet"]) == 0

    assert (exr.read(lit).parts[0].pixels["R"] == before / 2).all()
    assert given.is_symlink() == (through == "link")
    assert {path.name for path in lit.parent.iterdir()} == {lit.name, given.name}


def test_nothing_changes_at_strength_zero(lit: Path) -> None:
    denoised(lit, "--strength", "0")
    assert lit.with_name("out.exr").read_bytes() == lit.read_bytes()
