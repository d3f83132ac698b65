# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts pictures into tiles that overlap by the network's radius, so that memory stays bounded."""

from dataclasses import dataclass

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


def tiles(size: tuple[int, int], radius: int, stride: int, pixels: int) -> list[tuple[Span, Span]]:
    """Rows and columns of each tile, so that in all the fewest pixels are seen, and at most `pixels` at a
    time (or tiles as small as the stride)."""
    rows, columns = (
        [_spans(extent, count, radius, stride) for count in range(1, _most(extent, stride) + 1)]
        for extent in size
    )
    ways = [
        (_seen(y) * _seen(x), i, j)
        for i, y in enumerate(rows)
        for j, x in enumerate(columns)
        if _longest(y) * _longest(x) <= pixels
    ]
    _, i, j = min(ways, default=(0, -1, -1))
    return [(y, x) for y in rows[i] for x in columns[j]]


def _most(extent: int, stride: int) -> int:
    return min(-(-extent // stride), MOST_PARTS)


def _spans(extent: int, count: int, radius: int, stride: int) -> list[Span]:
    side, reach = (-(-length // stride) * stride for length in (-(-extent // count), radius))
    return [
        Span(max(start - reach, 0), min(start + side + reach, extent), start, min(start + side, extent))
        for start in range(0, extent, side)
    ]


def _seen(spans: list[Span]) -> int:
    return sum(span.stop - span.start for span in spans)


def _longest(spans: list[Span]) -> int:
    return max(span.stop - span.start for span in spans)
