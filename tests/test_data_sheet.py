"""The data sheet, counted from headers, and the contact sheet's picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small

from benchmarks import contact_sheet, data_sheet
from mcdenoise.frame import Frame
from renderers.scenes import procedural


def save(folder: Path, make: Callable[..., Frame], scene: str) -> Path:
    said = {"mcdenoise.scene": scene, "mcdenoise.spp": 4, "mcdenoise.filter": "box",
            "mcdenoise.renderer": "mitsuba"}  # fmt: skip
    return small.save_pair(folder, scene, [replace(make(seed), attributes=said) for seed in (1, 2)])


def test_sheet_counts_pairs_and_what_made_up_scenes_hold(
    tmp_path: Path, noisy_frame: Callable[..., Frame]
) -> None:
    for scene in ("kitchen", "made2-000001", procedural.scene_name(1)):
        save(tmp_path, noisy_frame, scene)
    found = [data_sheet.pair(path) for path in sorted(tmp_path.glob("*.a.exr"))]
    text = data_sheet.as_markdown(found)
    assert text.startswith("3 pairs of 3 scenes, 1 of them made up.")
    made = procedural.describe(1)
    lights = {light.kind for light in made.all_lights}
    rows = (
        "mitsuba | 3",
        "box | 3",
        "4 | 3",
        "scene file | 1",
        "made up by an older version | 1",
        "made up | 1",
        f"{made.kind} | 1",
        *(f"{light} | 1" for light in lights),
        "not said | 3",
        "? | 3",
    )
    assert all(f"| {row} |" in text for row in rows)


def test_header_that_says_nothing_is_counted_as_unknown(
    tmp_path: Path, noisy_frame: Callable[..., Frame]
) -> None:
    path = small.save_pair(tmp_path, "shot", [noisy_frame(1), noisy_frame(2)])
    assert data_sheet.pair(path) == data_sheet.Pair(
        scene="shot", renderer="?", filter="?", spp="?", changed="?", guides="?"
    )


@pytest.mark.parametrize("count", [1, 4, 5])
def test_contact_sheet_is_as_wide_as_a_square_and_keeps_all_views(count: int) -> None:
    views = [np.full((6, 6, 3), (i + 1) / 8, np.float32) for i in range(count)]
    picture = contact_sheet.sheet(views)
    assert picture.shape[1] == 6 * np.ceil(np.sqrt(count))
    assert len(np.unique(picture[picture > 0])) == count


def test_contact_sheet_is_no_larger_than_promised(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (768, 768, 3)).astype(np.uint8)
    contact_sheet.save(noise, tmp_path / "docs" / "sheet.jpg")
    assert (tmp_path / "docs" / "sheet.jpg").stat().st_size <= contact_sheet.LARGEST
