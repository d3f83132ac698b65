"""One PNG per frame: the pictures side by side, and below each its worst part at twice the size."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Png
from PIL import ImageDraw

from mcdenoise import metrics
from mcdenoise.metrics import Image

ZOOM = 2
CAPTION = 14  # pixels
PLACES = 5  # tried for the crop, along each axis


def write(path: Path, images: Mapping[str, Image], *, reference: Image) -> None:
    """Write `images` and the reference in one row, all with the reference's exposure.

    The crop lies where the last of `images` (ours) differs most from the reference.
    """
    exposure = metrics.exposure_for(reference)
    y, x = worst_corner(images[list(images)[-1]], reference)
    height, width = (side // ZOOM for side in reference.shape[:2])
    columns = []
    for label, image in {**images, "reference": reference}.items():
        display = metrics.tone_map(np.nan_to_num(image, nan=0.0), exposure)
        crop = display[y : y + height, x : x + width].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        columns.append((label, [display, crop]))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(columns, reference.shape[:2]).save(path)


def worst_corner(image: Image, reference: Image) -> tuple[int, int]:
    """The upper left corner, y x, of the half-size crop with the largest sum of |f - r| / (|f| + |r|)."""
    error = np.abs(image - reference) / (np.abs(image) + np.abs(reference) + np.float32(metrics.EPSILON))
    sides = [side // ZOOM for side in error.shape[:2]]
    corners = [
        (int(y), int(x))
        for y in np.linspace(0, error.shape[0] - sides[0], PLACES)
        for x in np.linspace(0, error.shape[1] - sides[1], PLACES)
    ]
    return max(corners, key=lambda c: float(error[c[0] : c[0] + sides[0], c[1] : c[1] + sides[1]].sum()))


def sheet(columns: list[tuple[str, list[metrics.Display]]], size: tuple[int, ...]) -> Png.Image:
    """Columns of two pictures of one size (height, width), a label above each."""
    height, width = size
    sheet = Png.new("RGB", (len(columns) * width, CAPTION + 2 * height))
    draw = ImageDraw.Draw(sheet)
    for i, (label, rows) in enumerate(columns):
        draw.text((i * width + 2, 1), label, fill="white")
        for j, display in enumerate(rows):
            bytes_ = (display * 255 + 0.5).astype(np.uint8)
            sheet.paste(Png.fromarray(bytes_), (i * width, CAPTION + j * height))
    return sheet
