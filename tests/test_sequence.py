"""sequence: where a denoised frame goes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise.sequence import denoised_path


@pytest.mark.parametrize(
    ("name", "denoised"),
    [
        ("frame.exr", "frame_denoised.exr"),
        ("shot.0001.exr", "shot_denoised.0001.exr"),
        ("shot_0001.exr", "shot_denoised_0001.exr"),
        ("shot.-012.exr", "shot_denoised.-012.exr"),
        ("a.b.1001.exr", "a.b_denoised.1001.exr"),
        ("render_v003.exr", "render_v003_denoised.exr"),
        ("frame2.exr", "frame2_denoised.exr"),
        ("0001.exr", "0001_denoised.exr"),
        ("kitchen.a.EXR", "kitchen.a_denoised.EXR"),
    ],
)
def test_frame_number_stays_last(name: str, denoised: str) -> None:
    assert denoised_path(Path("some.where/else_01") / name) == Path("some.where/else_01") / denoised


@given(st.text("ab01._- ", min_size=1, max_size=12).filter(lambda name: name.strip(". ") == name))
def test_denoised_name_is_never_the_frames_own(name: str) -> None:
    assert denoised_path(Path(f"{name}.exr")) != Path(f"{name}.exr")


@settings(deadline=None)  # the first of all imports fileseq
@given(st.sets(st.integers(0, 99999), min_size=2, max_size=5), st.sampled_from("._"))
def test_frames_of_a_sequence_get_different_names(numbers: set[int], mark: str) -> None:
    assert len({denoised_path(Path(f"shot{mark}{number:04}.exr")) for number in numbers}) == len(numbers)
