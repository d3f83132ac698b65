"""Tiles: what is kept covers the picture once, what is seen reaches far enough and starts on the stride."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise import tiling

extents = st.integers(1, 200)
sides = st.one_of(st.none(), st.integers(1, 250))
radii = st.integers(0, 70)
strides = st.sampled_from([1, 2, 8, 16])


@given(height=extents, width=extents, tile=sides, radius=radii, stride=strides)
@settings(deadline=None, max_examples=60)
def test_kept_parts_cover_every_pixel_once(
    height: int, width: int, tile: int | None, radius: int, stride: int
) -> None:
    covered = np.zeros((height, width), int)
    for rows, columns in tiling.tiles(height, width, tile=tile, radius=radius, stride=stride):
        covered[rows.kept, columns.kept] += 1
    assert (covered == 1).all()


@given(extent=st.integers(1, 5000), tile=st.integers(1, 3000), radius=radii, stride=strides)
@settings(deadline=None)
def test_what_is_seen_starts_on_the_stride_and_reaches_the_radius_or_the_edge(
    extent: int, tile: int, radius: int, stride: int
) -> None:
    for span in tiling.spans(extent, tile, radius, stride):
        assert span.start % stride == 0
        assert span.stop % stride == 0 or span.stop == extent
        assert 0 <= span.start <= max(span.kept_start - radius, 0)
        assert min(span.kept_stop + radius, extent) <= span.stop <= extent


@given(extent=st.integers(1, 5000), tile=st.integers(1, 3000), radius=radii, stride=strides)
@settings(deadline=None)
def test_no_tile_is_larger_than_asked_for_but_for_the_stride(
    extent: int, tile: int, radius: int, stride: int
) -> None:
    longest = max(span.kept_stop - span.kept_start for span in tiling.spans(extent, tile, radius, stride))
    assert longest < tile + stride


@given(extent=st.integers(1, 500), tile=st.integers(1, 300), radius=radii, stride=strides)
@settings(deadline=None)
def test_what_is_kept_is_the_same_place_in_the_tile_and_in_the_picture(
    extent: int, tile: int, radius: int, stride: int
) -> None:
    picture = np.arange(extent)
    for span in tiling.spans(extent, tile, radius, stride):
        np.testing.assert_array_equal(picture[span.seen][span.kept_in_tile], picture[span.kept])


def test_small_picture_is_one_tile_unless_told_otherwise() -> None:
    assert len(tiling.tiles(720, 1280, tile=None, radius=144, stride=16)) == 1
    assert len(tiling.tiles(720, 1280, tile=640, radius=144, stride=16)) == 4


@pytest.mark.parametrize("size", [(4320, 7680), (1080, 30_000), (30_000, 64)])
def test_no_tile_of_a_large_picture_is_larger_than_the_default(size: tuple[int, int]) -> None:
    for rows, columns in tiling.tiles(*size, tile=None, radius=144, stride=16):
        seen = (rows.stop - rows.start) * (columns.stop - columns.start)
        assert seen <= tiling.DEFAULT_PIXELS * 1.05
