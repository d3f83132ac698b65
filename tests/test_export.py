"""The exported network: the same as torch's, in onnxruntime and in the extension's own numpy engine."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcdenoise import checkpoint, encoding, exr
from mcdenoise.__main__ import main

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model; by a process without the checks of shapes, which the exporter can't follow."""
    pytest.importorskip("onnxscript", reason="needs mcdenoise[onnx]")
    path = tmp_path_factory.mktemp("onnx") / "standard.onnx"
    words = ["-m", "mcdenoise", "export", "standard", "--to", "onnx", "-o", str(path)]
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT, capture_output=True)
    return path


@pytest.fixture(scope="module")
def onnxruntime(exported: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    return runtime.InferenceSession(str(exported))


@pytest.fixture(scope="module")
def numpy_engine(exported: Path) -> Any:
    sys.path.insert(0, str(ROOT / "blender_addon"))
    from worker import numpy_engine, onnx_file

    return numpy_engine.Engine(onnx_file.read(exported))


def inputs(height: int, width: int) -> list[np.ndarray]:
    """A piece of the example frame, as networks get it."""
    encoded = encoding.encode(exr.read_frame(ROOT / "examples" / "frame.exr"))
    return [part[..., 16 : 16 + height, 32 : 32 + width].numpy() for part in (encoded.color, encoded.guides)]


def apart(found: np.ndarray, given: list[np.ndarray]) -> tuple[float, float]:
    """From torch: as a share of the picture, and of the 999th of 1000 pixels."""
    network = checkpoint.load_model("standard").network
    with torch.inference_mode():
        wanted = network(*(torch.from_numpy(part) for part in given)).numpy()
    difference = np.abs(found - wanted)
    return float(difference.sum() / wanted.sum()), float(np.quantile(difference / (wanted + 0.01), 0.999))


@pytest.mark.parametrize("size", [(32, 32), (64, 112), (144, 96)])
def test_onnxruntime_gives_what_torch_gives_at_any_multiple_of_the_stride(
    onnxruntime: Any, size: tuple[int, int]
) -> None:
    color, guides = inputs(*size)
    (found,) = onnxruntime.run(None, {"color": color, "guides": guides})
    assert max(apart(found, [color, guides])) < 1e-3


@pytest.mark.parametrize("size", [(32, 32), (64, 112), (144, 96)])
def test_numpy_engine_gives_what_torch_gives(numpy_engine: Any, size: tuple[int, int]) -> None:
    given = inputs(*size)
    shares: list[float] = []
    assert max(apart(numpy_engine.run(*given, shares.append), given)) < 1e-3
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_difference_that_matters_would_be_noticed(numpy_engine: Any) -> None:
    given = inputs(64, 64)
    assert max(apart(1.01 * numpy_engine.run(*given, lambda _: None), given)) > 1e-3


def test_file_is_as_large_as_weights_and_graph_are(exported: Path) -> None:
    assert 4_000_000 < exported.stat().st_size < 5_600_000  # a count as in test_counts.py


def test_file_is_one_that_onnxruntime_1_17_reads(exported: Path) -> None:
    import onnx

    model = onnx.load(exported)
    assert [(used.domain, used.version) for used in model.opset_import if used.domain == ""] == [("", 18)]
    assert model.ir_version <= 9
    assert len(model.functions) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["standard", "-o", "model.pt"], "a name ending in .onnx"),
        (["standard", "-o", "no/model.onnx"], "no: no such folder"),
    ],
)
def test_impossible_output_is_refused_before_any_work(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err
