"""A unet as OIDN's weights: OIDN itself makes of it what we do, and a file of weights comes back."""

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from mcdenoise import checkpoint, encoding, exr, networks, tza
from mcdenoise.__main__ import main
from mcdenoise.errors import ModelError
from mcdenoise.frame import Frame
from mcdenoise.networks import unet

FRAME = Path(__file__).parent.parent / "examples" / "frame.exr"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, but for a last layer that brings its tones into the middle of the curve."""
    torch.manual_seed(3)
    network = networks.build("unet", {})
    assert isinstance(network, unet.Network)
    last = network.convs["dec0"]
    with torch.no_grad():
        last.weight *= 4
        last.bias += 0.35
    path = tmp_path_factory.mktemp("tza") / "show.safetensors"
    checkpoint.save_model(path, network, {})
    return path


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    out = model.with_suffix(".tza")
    assert main(["export", str(model), "--to", "tza", "-o", str(out)]) == 0
    return out


def test_oidn_makes_of_it_what_we_do(model: Path, exported: Path, tmp_path: Path) -> None:
    assert_oidn_agrees(model, exported, tmp_path)


def test_weights_that_a_user_has_are_trained_on_and_run_in_oidn(
    exported: Path, tmp_path: Path, noisy_frame: small.MakeFrame
) -> None:
    pairs, out = small.save_pairs(tmp_path / "pairs", noisy_frame), tmp_path / "tuned.safetensors"
    words = [
        "--init",
        str(exported),
        "--steps",
        "4",
        "--batch",
        "2",
        "--crop",
        "32",
        "--device",
        "cpu",
        "--quiet",
    ]
    assert main(["train", str(pairs), *words, "-o", str(out)]) == 0
    before, after = (checkpoint.load_model(path) for path in (exported, out))
    assert isinstance(after.network, unet.Network)
    assert after.card["settled"]["share"] > 0
    weights = [model.network.convs["dec0"].weight for model in (before, after)]
    assert 0 < float((weights[0] - weights[1]).detach().abs().max()) < 0.01
    assert main(["export", str(out), "--to", "tza", "-o", str(tmp_path / "tuned.tza")]) == 0
    assert_oidn_agrees(out, tmp_path / "tuned.tza", tmp_path)


def assert_oidn_agrees(model: Path, exported: Path, folder: Path) -> None:
    """Its own program makes of the exported weights what we make of the model."""
    pyoidn = pytest.importorskip("pyoidn", reason="needs mcdenoise[bench]")
    planes = {name: plane[:352] for name, plane in exr.read_frame(FRAME).planes.items()}  # whole steps of 16
    frame = Frame({**planes, "albedo": planes["albedo"].clip(0, 1)})
    encoded = encoding.encode(frame)
    with torch.inference_mode():
        estimate = checkpoint.load_model(model).network(encoded.color, encoded.guides)  # in float32
    ours = encoding.decode(estimate, 1.0)
    for name in ("color", "albedo", "normal"):
        write_pfm(folder / f"{name}.pfm", frame.planes[name])
    program = Path(pyoidn.__file__).parent / "oidn" / "bin" / "oidnDenoise"
    words = [program, "--hdr", "color.pfm", "--alb", "albedo.pfm", "--nrm", "normal.pfm", "-o", "out.pfm",
             "-w", exported, "--is", repr(encoded.exposure), "-d", "cpu"]  # fmt: skip
    told = subprocess.run([*map(str, words)], cwd=folder, env=libraries(program), capture_output=True)
    assert told.returncode == 0, told.stderr
    theirs = read_pfm(folder / "out.pfm", frame.size) * np.float32(encoded.exposure)
    assert ours.std() > 0.05
    tones = [unet.curve(torch.from_numpy(np.ascontiguousarray(picture))) for picture in (ours, theirs)]
    assert float((tones[0] - tones[1]).abs().max()) < 1e-3


def libraries(program: Path) -> dict[str, str]:
    """OIDN's own lie beside its programs."""
    return {**os.environ, "LD_LIBRARY_PATH": str(program.parent.parent / "lib")}


def write_pfm(path: Path, plane: np.ndarray) -> None:
    height, width = plane.shape[:2]
    path.write_bytes(f"PF\n{width} {height}\n-1.0\n".encode() + plane[::-1].astype("<f4").tobytes())


def read_pfm(path: Path, size: tuple[int, int]) -> np.ndarray:
    pixels = np.frombuffer(path.read_bytes()[-12 * size[0] * size[1] :], "<f4")
    return pixels.reshape(*size, 3)[::-1]


def test_weights_come_back_as_a_model(model: Path, exported: Path) -> None:
    before, after = (checkpoint.load_model(path).network.state_dict() for path in (model, exported))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name].half(), after[name].half()) for name in before)


def test_single_precision_is_read(tmp_path: Path) -> None:
    path, values = tmp_path / "single.tza", np.array([1, 0.1, -2], "<f4")
    table = struct.pack("<IH1sBI1s1sQ", 1, 1, b"b", 1, 3, b"x", b"f", 64)
    path.write_bytes(struct.pack("<HBBQ", 0x41D7, 2, 0, 76).ljust(64, b"\0") + values.tobytes() + table)
    np.testing.assert_array_equal(tza.read(path)["b"], values)


def test_curve_is_undone_and_its_pieces_meet() -> None:
    light = torch.cat([torch.zeros(1), torch.logspace(-8, 4.8, 2000)])
    tone = unet.curve(light)
    assert bool((tone.diff() > 0).all())
    torch.testing.assert_close(unet.uncurve(tone), light, rtol=2e-3, atol=1e-7)


def test_gradient_of_the_curve_is_a_number_everywhere() -> None:
    light = torch.tensor([0.0, 1e-7, 1e-4, 1.0, 7e4, -1.0], requires_grad=True)
    unet.uncurve(unet.curve(light)).sum().backward()
    assert light.grad is not None
    assert bool(torch.isfinite(light.grad).all())


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _of_another_format(content: bytes) -> bytes:
    return b"no" + content[2:]


def _of_another_network(content: bytes) -> bytes:
    return content.replace(b"dec_conv0.bias", b"dec_conv9.bias")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_cut, "damaged"),
        (_of_another_format, "no tensor archive"),
        (_of_another_network, "OIDN's base network"),
    ],
)
def test_other_file_is_refused_in_words(
    exported: Path, tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = tmp_path / "other.tza"
    path.write_bytes(change(exported.read_bytes()))
    with pytest.raises(ModelError, match=says):
        checkpoint.load_model(path)


def test_network_that_oidn_has_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "standard", "--to", "tza", "-o", str(tmp_path / "standard.tza")]) == 1
    assert "standard: is a hybrid; OIDN runs a unet only" in capsys.readouterr().err
    assert not (tmp_path / "standard.tza").exists()
