"""`benchmarks.independence` finds shared noise and unequal means, and nothing where nothing is."""

import numpy as np
import pytest

from benchmarks import independence
from mcdenoise.views import View

SIDE = 64


def views(count: int, *, shared: float = 0.0, brighter: float = 1.0) -> list[View]:
    """Views of four renders; b has a share of the noise of a, and is so much brighter."""
    chance = np.random.default_rng(5)
    made = []
    for number in range(count):
        picture = chance.uniform(0.1, 2, (SIDE, SIDE, 3))
        noise = [chance.lognormal(-0.5, 1, (SIDE, SIDE, 1)) for _ in range(4)]
        noise[1] = (shared * noise[0] + (1 - shared) * noise[1]) * brighter
        renders = tuple({"color": (picture * one).astype(np.float32)} for one in noise)
        made.append(View("scene", f"scene.{number}", renders))
    return made


def test_independent_renders_pass() -> None:
    shared, means = independence.measure(views(100))
    assert abs(shared.of_mean) < 4
    assert abs(means.of_mean) < 4
    assert shared.beyond < 0.05
    assert 0.8 < shared.z.std() < 1.2
    assert (len(shared.z), len(means.z)) == (100, 200)


def test_noise_that_two_renders_share_is_found() -> None:
    shared, means = independence.measure(views(100, shared=0.3))
    assert shared.of_mean > 10
    assert abs(means.of_mean) < 4


def test_renders_of_unequal_means_are_found() -> None:
    _, means = independence.measure(views(100, brighter=1.02))
    assert means.of_mean < -5


def test_views_of_two_renders_tell_of_means_only() -> None:
    two = [View(v.scene, v.name, v.renders[:2]) for v in views(10)]
    shared, means = independence.measure(two)
    assert (len(shared.z), len(means.z)) == (0, 10)


@pytest.mark.filterwarnings("error")
def test_table_has_a_row_per_statistic_even_without_values() -> None:
    page = independence.as_markdown(independence.measure([]))
    assert page.count("\n") == 3
