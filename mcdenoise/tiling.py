"""Cuts pictures too large for memory into tiles that join without a seam."""

import functools
from dataclasses import dataclass

# A network sees at most so many pixels at a time unless told otherwise: about 1.3 GiB for the shipped model,
# so much for each.
DEFAULT_PIXELS = 1_500_000
PIXEL_BYTES = 930
# So many of one that is frugal (see `Denoising`): a 1920x1080 frame is one tile.
FRUGAL_PIXELS = 2_100_000
# An axis is cut into so many parts at most: enough for 200,000 pixels.
MOST_PARTS = 256


@dataclass(frozen=True)
class Span:
    """One axis of a tile: what the network sees, and the part of it that is kept, in the picture's pixels."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int

    @property
    def seen(self) -> slice:
        """In the picture."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """In the picture."""
        return slice(self.kept_start, self.kept_stop)

    @property
    def kept_in_tile(self) -> slice:
        """In the tile."""
        return slice(self.kept_start - self.start, self.kept_stop - self.start)


def tiles(
    height: int, width: int, *, tile: int | None, radius: int, stride: int, most: int = DEFAULT_PIXELS
) -> list[tuple[Span, Span]]:
    """Rows and columns of each tile: kept parts cover the picture once; what is seen starts on a multiple of
    `stride` and reaches `radius` beyond what is kept, or to the picture's edge.

    `tile` is the side of the kept part; None chooses what costs least, of `most` pixels at the most.
    """
    side = _sides(height, width, radius, stride, most) if tile is None else (tile, tile)
    rows, columns = spans(height, side[0], radius, stride), spans(width, side[1], radius, stride)
    return [(y, x) for y in rows for x in columns]


@functools.cache
def _sides(height: int, width: int, radius: int, stride: int, most: int) -> tuple[int, int]:
    """The sides of kept parts for which the network sees the fewest pixels, and never too many at a time."""
    rows, columns = (_ways(extent, radius, stride) for extent in (height, width))
    fitting = [(total_y * total_x, side_y, side_x) for side_y, most_y, total_y in rows
               for side_x, most_x, total_x in columns if most_y * most_x <= most]  # fmt: skip
    least = min(fitting, default=(0, stride, stride))
    return least[1], least[2]


def _ways(extent: int, radius: int, stride: int) -> list[tuple[int, int, int]]:
    """Ways to cut an axis: the side, the longest part that is seen, and how much is seen in all."""
    ways = []
    for count in range(1, min(-(-extent // stride), MOST_PARTS) + 1):
        side = -(-extent // count)
        seen = [span.stop - span.start for span in spans(extent, side, radius, stride)]
        ways.append((side, max(seen), sum(seen)))
    return ways


def spans(extent: int, tile: int, radius: int, stride: int) -> list[Span]:
    """One axis cut into near-equal parts of at most `tile` pixels, rounded up to the stride."""
    count = -(-extent // max(tile, stride))
    side = -(-extent // count)
    side = -(-side // stride) * stride
    reach = -(-radius // stride) * stride
    starts = range(0, extent, side)
    return [Span(max(start - reach, 0), min(start + side + reach, extent), start, min(start + side, extent))
            for start in starts]  # fmt: skip
