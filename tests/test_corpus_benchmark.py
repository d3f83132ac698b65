"""benchmarks.corpus: what becomes of every file is seen, and nothing but the color changes."""

from pathlib import Path

import hostile
import numpy as np
import pytest
import small

from benchmarks import corpus
from mcdenoise import checkpoint, exr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    checkpoint.save_model(path, small.network("hybrid"), {})
    return str(path)


def outcomes(files: list[Path], *flags: str) -> list[str]:
    return [outcome.what for outcome in corpus.run(files, list(flags), longest=120)]  # CI is slow


def test_outcomes_are_told_apart(tmp_path: Path, model: str) -> None:
    sound, deep = hostile.save(tmp_path / "a.exr"), hostile.with_deep_part(tmp_path / "b.exr")
    cut, other = hostile.save(tmp_path / "c.exr"), tmp_path / "d.txt"
    cut.write_bytes(cut.read_bytes()[:-9])
    other.write_text("no picture")

    told = outcomes([sound, deep, cut, other], f"--model={model}")

    assert told[:2] == ["denoised, all else as it was"] * 2
    assert told[2].startswith("refused: damaged or cut off")
    assert told[3] == "refused: not an OpenEXR file; give an .exr file"
    assert not any(map(corpus.is_bad, told))


def test_changed_channel_is_seen(tmp_path: Path) -> None:
    before = exr.read(hostile.save(tmp_path / "a.exr"))
    exr.write(tmp_path / "b.exr", before, {0: exr.Edit({"depth.Z": np.zeros((5, 7), np.float32)})})
    assert corpus.differences(before, exr.read(tmp_path / "b.exr")) == ["depth.Z"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_no_real_file_crashes_hangs_or_comes_back_poorer(
    shared_assets: Path, model: str, strength: float
) -> None:
    files = sorted(path for path in (shared_assets / "exr").rglob("*") if path.is_file())
    told = outcomes(files, f"--model={model}", f"--strength={strength}")
    assert [what for what in told if corpus.is_bad(what)] == []
    assert sum(not what.startswith("refused") for what in told) >= 217
