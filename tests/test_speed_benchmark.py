import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("pyoidn")  # mcdenoise[bench]

from benchmarks import peers, quality, speed
from mcdenoise.frame import Frame


def test_contenders_take_turns_after_one_warm_up_each() -> None:
    calls: list[str] = []
    contenders = {"ours": lambda: calls.append("A"), "OIDN": lambda: calls.append("B")}
    timings = speed.take_turns("frame", contenders, pairs=3)
    assert "".join(calls) == "AB" + "ABABAB"
    assert [len(timing.seconds) for timing in timings] == [3, 3]


def test_ratio_is_ours_over_the_peer_of_the_same_turn() -> None:
    timings = speed.take_turns("frame", {"ours": lambda: None, "OIDN": lambda: None}, pairs=3)
    ours, oidn = (timing.seconds for timing in timings)
    assert timings[1].to_ours == pytest.approx([a / b for a, b in zip(ours, oidn, strict=True)])
    assert timings[0].to_ours == (1, 1, 1)


@pytest.mark.parametrize("size", [(10, 7), (32, 24), (100, 90)])
def test_frame_is_fitted_to_any_size_by_its_own_pixels(
    size: tuple[int, int], noisy_frame: Callable[..., Frame]
) -> None:
    frame = noisy_frame(1, size=(24, 32))
    fitted = speed.fit(frame, size)
    assert fitted.size == size[::-1]
    assert set(np.unique(fitted.color)) <= set(np.unique(frame.color))
    np.testing.assert_array_equal(fitted.color[:7, :10], frame.color[:7, :10])


def test_oidns_own_program_reads_the_pfm_we_write_the_right_way_up(
    tmp_path: Path, noisy_frame: Callable[..., Frame]
) -> None:
    frame = noisy_frame(1)
    speed.write_pfm(tmp_path / "color.pfm", frame.color)
    out = tmp_path / "out.pfm"
    speed._execute([speed.OIDN_DENOISE, "--hdr", tmp_path / "color.pfm", "-o", out, "-d", "cpu"])
    pixels = np.frombuffer(out.read_bytes().split(b"\n", 3)[3], "<f4").reshape(frame.color.shape)[::-1]
    np.testing.assert_allclose(pixels, peers.color_only(frame), rtol=1e-3, atol=1e-4)


def test_program_that_fails_is_one_error_with_its_last_words() -> None:
    code = "import sys; print('first', file=sys.stderr); sys.exit('out of luck')"
    with pytest.raises(peers.PeerError, match="exit code 1, saying: out of luck"):
        speed._execute([sys.executable, "-c", code])


@pytest.mark.parametrize("missing", ["model", "work"])
@pytest.mark.parametrize("benchmark", [quality, speed])
def test_missing_input_is_one_line_and_exit_code_3(
    benchmark: ModuleType,
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = Path(__file__) if missing == "work" else tmp_path / "none.safetensors"
    words = ["benchmark", tmp_path / "none", "--model", model, "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    assert benchmark.main() == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
