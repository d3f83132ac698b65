"""Pictures to corrupt, out of the wheels of scikit-image and scikit-learn; nothing is downloaded."""

from functools import cache

import numpy as np
from jaxtyping import Float32

Picture = Float32[np.ndarray, "h w 3"]

# Of scikit-image; none of them is tested on.
TRAINED = ("rocket", "hubble_deep_field", "immunohistochemistry", "brick", "grass", "gravel", "moon", "coins")
TESTED = ("astronaut", "camera", "chelsea", "coffee")
TEST_SIDE = 128
PHANTOM_SIDE = 64


@cache
def trained() -> list[Picture]:
    """Photographs to learn from, 0 to 1 as displayed."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    stereo, _, _ = data.stereo_motorcycle()
    found = [getattr(data, name)() for name in TRAINED]
    return [_picture(image) for image in [*found, stereo, *load_sample_images().images]]


@cache
def tested() -> list[Picture]:
    """The middles of four others."""
    from skimage import data

    return [_middle(_picture(getattr(data, name)())) for name in TESTED]


@cache
def digits(*, are_two_valued: bool) -> tuple[list[Picture], list[Picture]]:
    """Handwritten digits, white on black, 8x8 scaled up to 32x32: 1500 to learn from and 297 others.

    Two-valued ones are nothing but black and white, as most pixels of larger scans are.
    """
    from skimage.transform import resize
    from sklearn.datasets import load_digits

    found = [resize(image / 16, (32, 32), order=3).clip(0, 1) for image in load_digits().images]
    pictures = [_picture((image > 0.5) * 255 if are_two_valued else image * 255) for image in found]
    return pictures[:1500], pictures[1500:]


@cache
def writing() -> tuple[list[Picture], list[Picture]]:
    """Sheets of 8x8 such digits: some to learn from, some of other digits."""
    some, others = digits(are_two_valued=True)
    return [_sheet(some[n : n + 64]) for n in range(0, 1472, 64)], [
        _sheet(others[:64]),
        _sheet(others[64:128]),
    ]


@cache
def tissue() -> tuple[list[Picture], list[Picture]]:
    """A stained section under the microscope: its left part, and two pieces of its right part."""
    from skimage import data

    whole = _picture(data.immunohistochemistry())
    return [whole[:, :300]], [whole[:TEST_SIDE, 320:], whole[-TEST_SIDE:, 320:]]


def phantoms(count: int, chance: np.random.Generator) -> list[Picture]:
    """The Shepp-Logan phantom, each turned, scaled, bent and toned otherwise; grey, 64x64."""
    from skimage import data
    from skimage.transform import PiecewiseAffineTransform, resize, rotate, warp

    head = resize(data.shepp_logan_phantom(), (128, 128), anti_aliasing=True)
    rows, columns = np.meshgrid(np.linspace(0, 127, 5), np.linspace(0, 127, 5))
    corners = np.stack([rows.ravel(), columns.ravel()], axis=1)

    def one() -> Picture:
        bend = PiecewiseAffineTransform.from_estimate(corners, corners + chance.normal(0, 5, corners.shape))
        bent = rotate(warp(head, bend), chance.uniform(-20, 20)) ** chance.uniform(0.6, 1.4)
        small = resize(bent, (PHANTOM_SIDE, PHANTOM_SIDE), anti_aliasing=True)
        return _picture(np.clip(small, 0, 1) * 255)

    return [one() for _ in range(count)]


def crop(pictures: list[Picture], side: int, chance: np.random.Generator) -> Picture:
    """A square of one of the pictures, turned and mirrored."""
    picture = pictures[int(chance.integers(len(pictures)))]
    y, x = (int(chance.integers(extent - side + 1)) for extent in picture.shape[:2])
    square = np.rot90(picture[y : y + side, x : x + side], int(chance.integers(4)))
    return np.ascontiguousarray(square[:, ::-1] if chance.integers(2) else square)


def _picture(image: np.ndarray) -> Picture:
    grey = image[..., None] if image.ndim == 2 else image[..., :3]
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)) / 255, np.float32)


def _middle(picture: Picture) -> Picture:
    y, x = ((extent - TEST_SIDE) // 2 for extent in picture.shape[:2])
    return picture[y : y + TEST_SIDE, x : x + TEST_SIDE]


def _sheet(small: list[Picture]) -> Picture:
    return np.concatenate([np.concatenate(small[n : n + 8], axis=1) for n in range(0, 64, 8)])
