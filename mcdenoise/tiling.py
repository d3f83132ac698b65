"""Cuts pictures too large for memory into tiles that join without a seam."""

from dataclasses import dataclass

# A network sees at most so many pixels at a time unless told otherwise: about 1.3 GiB for the shipped model.
DEFAULT_PIXELS = 1_500_000


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


def tiles(height: int, width: int, *, tile: int | None, radius: int, stride: int) -> list[tuple[Span, Span]]:
    """Rows and columns of each tile: kept parts cover the picture once; what is seen starts on a multiple of
    `stride` and reaches `radius` beyond what is kept, or to the picture's edge.

    `tile` is the side of the kept part; None chooses one by `DEFAULT_PIXELS`.
    """
    if tile is None:
        if height * width <= DEFAULT_PIXELS:
            tile = max(height, width)
        else:
            tile = int(DEFAULT_PIXELS**0.5) - 2 * radius
    return [(y, x) for y in spans(height, tile, radius, stride) for x in spans(width, tile, radius, stride)]


def spans(extent: int, tile: int, radius: int, stride: int) -> list[Span]:
    """One axis cut into near-equal parts of at most `tile` pixels, rounded up to the stride."""
    count = -(-extent // max(tile, stride))
    side = -(-extent // count)
    side = -(-side // stride) * stride
    reach = -(-radius // stride) * stride
    starts = range(0, extent, side)
    return [Span(max(start - reach, 0), min(start + side + reach, extent), start, min(start + side, extent))
            for start in starts]  # fmt: skip
