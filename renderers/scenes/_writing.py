"""Text as a texture: pages and posters of made-up words, in the font that Pillow brings along."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from renderers.scenes._colors import color

SIZE = 512
_CONSONANTS, _VOWELS = list("bcdfghjklmnprstvwz"), list("aeiou")


def word(chance: np.random.Generator) -> str:
    """One to four syllables, a number at times."""
    if chance.uniform() < 0.08:
        return str(int(chance.integers(10_000)))
    syllables = [
        str(chance.choice(_CONSONANTS)) + str(chance.choice(_VOWELS)) for _ in range(chance.integers(1, 5))
    ]
    text = "".join(syllables) + (str(chance.choice(_CONSONANTS)) if chance.uniform() < 0.5 else "")
    return text.capitalize() if chance.uniform() < 0.2 else text


def page(chance: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """Lines of one size under a headline, dark on light."""
    size = int(chance.integers(9, 30))
    rows = [(y, size) for y in range(3 * size + 30, SIZE - 2 * size, round(1.4 * size))]
    return _printed(
        [(20, 2 * size), *rows], ink=0.04 * color(chance), paper=0.6 + 0.35 * color(chance), chance=chance
    )


def poster(chance: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """A few large words in two colours."""
    sizes = chance.integers(40, 150, int(chance.integers(2, 6)))
    tops = np.cumsum([15, *sizes])
    rows = [(int(top), int(below - top)) for top, below in pairwise(tops)]
    return _printed(rows, ink=color(chance), paper=color(chance), chance=chance)


def _printed(
    rows: list[tuple[int, int]], *, ink: np.ndarray, paper: np.ndarray, chance: np.random.Generator
) -> Float[np.ndarray, "h w 3"]:
    """`rows` are (top, size) in pixels; each is filled with words."""
    from PIL import Image, ImageDraw, ImageFont

    mask = Image.new("L", (SIZE, SIZE), 0)
    draw = ImageDraw.Draw(mask)
    for top, size in rows:
        text = " ".join(word(chance) for _ in range(max(SIZE // (2 * size), 1)))
        draw.text((20, top), text, fill=255, font=ImageFont.load_default(size))
    share = np.asarray(mask, np.float64)[..., None] / 255
    return np.asarray(np.clip(paper + (ink - paper) * share, 0.01, 0.95))
