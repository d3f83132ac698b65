"""The page of `evaluate --html` in a real browser: what it shows of each pixel, and how it is used."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcdenoise import exr, metrics, page
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame
from mcdenoise.page import Comparison

pytestmark = pytest.mark.slow

SIZE = (24, 32)
# First and last color of the error map.
NONE, MUCH = [0, 0, 4], [252, 253, 191]


@pytest.fixture(scope="module")
def images(noisy_frame: Callable[..., Frame]) -> Mapping[str, metrics.Image]:
    """A dark frame with a lamp in a corner; its left half is as the reference, its right half is not."""
    clean = noisy_frame(0, sigma=0).color / np.float32(100)
    clean[:4, :4] = 900
    noisy = noisy_frame(1, sigma=1).color / np.float32(100)
    noisy[:, :16] = clean[:, :16]
    noisy[:, 24:] = clean[:, 24:] + 1
    return {"noisy <b>": noisy, "half done": (noisy + clean) / 2, page.REFERENCE: clean}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, images: Mapping[str, metrics.Image]) -> Path:
    path = tmp_path_factory.mktemp("page") / "compare.html"
    expected = {"half done": np.full((*SIZE, 1), 0.5, np.float32)}
    title = "</script><script>throw 'ran'</script>"
    page.write(
        path, Comparison(title, images, ("noisy <b>", "half done"), expected, [["", "x"], ["half done", "1"]])
    )
    return path


@pytest.fixture
def open_page(browser: Any, written: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page; any error of its script and any request to elsewhere fails the test."""
    contexts, faults = [], []

    def opened(path: Path = written, **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 900, "height": 900}, **settings})
        contexts.append(context)
        found = context.new_page()
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on(
            "request", lambda asked: asked.url.startswith(("file://", "data:")) or faults.append(asked.url)
        )
        found.goto(path.as_uri())
        settle(found)
        return found

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def settle(view: Any) -> None:
    """Until what was chosen last is drawn."""
    from playwright.sync_api import expect

    expect(view.get_by_role("img")).to_have_attribute("aria-busy", "false")


def side(view: Any, name: str) -> np.ndarray:
    """What the left (or right) of the bar shows of each pixel of the frame, h w 3, 0 to 255."""
    settle(view)
    view.evaluate("value => { at('split').value = value; draw(); }", 100 if name == "left" else 0)
    flat = view.evaluate(
        """([height, width]) => {
          const at = i => [view.width / 2 + (i % width + .5 - place.x) * place.zoom,
                           view.height / 2 + (Math.floor(i / width) + .5 - place.y) * place.zoom];
          return Array.from({ length: height * width }, (_, i) => [...pen.getImageData(...at(i), 1, 1).data]);
        }""",
        list(SIZE),
    )
    return np.array(flat).reshape(*SIZE, 4)[..., :3]


@pytest.mark.parametrize("stops", [0, 4, -6.5])
def test_each_pixel_is_exposed_as_tone_map_says(
    open_page: Callable[..., Any], images: Mapping[str, metrics.Image], stops: float
) -> None:
    view = open_page()
    view.get_by_role("slider", name="Exposure").fill(str(stops))
    view.get_by_role("combobox", name="Right").select_option("reference")
    exposure = metrics.exposure_for(images["reference"]) * 2**stops
    for name, image in (("left", images["noisy <b>"]), ("right", images["reference"])):
        expected = 255 * metrics.tone_map(image, exposure)
        np.testing.assert_allclose(side(view, name), expected, atol=1.1)


def test_error_map_is_black_where_nothing_is_wrong_and_yellow_where_all_is(
    open_page: Callable[..., Any],
) -> None:
    view = open_page()
    view.get_by_role("combobox", name="Show").select_option("error")
    shown = side(view, "left")
    assert (shown[:, :16] == NONE).all()
    assert (shown[:, 24:] == MUCH).all()
    between = shown[:, 16:24].reshape(-1, 3)
    assert len(np.unique(between, axis=0)) > 20
    assert view.locator("#legend").is_visible()


def test_expected_error_is_shown_where_there_is_one(
    open_page: Callable[..., Any], images: Mapping[str, metrics.Image]
) -> None:
    view = open_page()
    before = side(view, "left")
    view.get_by_role("combobox", name="Show").select_option("expected error")
    assert len(np.unique(side(view, "right").reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(side(view, "left"), before)
    assert view.locator("#on-right").inner_text() == "half done: expected error"


def test_every_key_does_what_the_page_says(open_page: Callable[..., Any]) -> None:
    view = open_page()
    view.get_by_role("img").focus()
    start = view.evaluate("place")

    def after(key: str, what: str) -> Any:
        view.keyboard.press(key)
        return view.evaluate(what)

    assert after("+", "place.zoom") == 2 * start["zoom"]
    assert after("ArrowRight", "place.x") > start["x"]
    assert after("ArrowUp", "place.y") < start["y"]
    assert after("0", "place") == start
    assert after("]", "at('split').value") == "55"
    assert after("[", "at('split').value") == "50"
    assert after(".", "at('exposure').value") == "0.5"
    assert after("3", "at('right').value") == "reference"
    assert after("e", "at('show').value") == "error"


def test_mouse_drags_the_bar_and_the_picture_and_the_wheel_zooms_where_it_points(
    open_page: Callable[..., Any],
) -> None:
    view = open_page()
    box = view.get_by_role("img").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(view, (x + 2, y), (x + box["width"] / 4, y))
    assert float(view.evaluate("at('split').value")) == pytest.approx(75, abs=1)
    before = view.evaluate("place")
    drag(view, (x, y), (x - 50, y + 30))
    moved = view.evaluate("place")
    assert moved["x"] == pytest.approx(before["x"] + 50 / before["zoom"])
    assert moved["y"] == pytest.approx(before["y"] - 30 / before["zoom"])
    view.mouse.move(x + 100, y)
    view.mouse.wheel(0, -400)
    view.wait_for_timeout(200)
    zoomed = view.evaluate("place")
    assert zoomed["zoom"] > 1.5 * moved["zoom"]
    pointed = [place["x"] + 100 / place["zoom"] for place in (moved, zoomed)]
    assert pointed[0] == pytest.approx(pointed[1], abs=0.1)


def drag(view: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    view.mouse.move(*start)
    view.mouse.down()
    view.mouse.move(*end, steps=3)
    view.mouse.up()


def test_two_fingers_zoom_and_one_moves_the_picture(open_page: Callable[..., Any]) -> None:
    view = open_page(viewport={"width": 360, "height": 740}, has_touch=True, device_scale_factor=2)
    box = view.get_by_role("img").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    before = view.evaluate("place")
    touch(view, [[(x, y)], [(x - 20, y)]])
    moved = view.evaluate("place")
    assert moved["x"] == pytest.approx(before["x"] + 40 / before["zoom"])
    touch(view, [[(x, y - 20), (x, y + 20)], [(x, y - 40), (x, y + 40)]])
    assert view.evaluate("place.zoom") == pytest.approx(2 * moved["zoom"])


def touch(view: Any, places: list[list[tuple[float, float]]]) -> None:
    """Fingers put down at the first places, moved to the next, and lifted."""
    session = view.context.new_cdp_session(view)
    for number, points in enumerate([*places, []]):
        kind = "touchStart" if number == 0 else "touchMove" if points else "touchEnd"
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": f"{kind}", "touchPoints": fingers})


@pytest.mark.parametrize("width", [320, 1600])
def test_nothing_is_wider_than_the_window(open_page: Callable[..., Any], width: int) -> None:
    view = open_page(viewport={"width": width, "height": 700})
    assert view.evaluate("document.documentElement.scrollWidth") == width


def test_it_is_dark_where_the_system_is(open_page: Callable[..., Any]) -> None:
    light, dark = (
        view.evaluate("getComputedStyle(document.body).backgroundColor")
        for view in (open_page(color_scheme=scheme) for scheme in ("light", "dark"))
    )
    assert sum(map(int, re.findall(r"\d+", light))) > 600 > 150 > sum(map(int, re.findall(r"\d+", dark)))


def test_all_that_can_be_used_has_a_name_for_screen_readers(open_page: Callable[..., Any]) -> None:
    view = open_page()
    nodes = view.context.new_cdp_session(view).send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "slider", "image", "img", "link"}
    named = [(node["role"]["value"], node["name"]["value"]) for node in nodes
             if not node["ignored"] and node["role"]["value"] in roles]  # fmt: skip
    assert {role for role, _ in named} >= {"button", "combobox", "slider"}
    assert len(named) >= 10
    assert all(name for _, name in named)


def test_name_of_a_file_is_text_and_nothing_else(open_page: Callable[..., Any]) -> None:
    view = open_page()
    assert view.locator("h1").inner_text() == "</script><script>throw 'ran'</script>"
    assert view.locator("#on-left").inner_text() == "noisy <b>"


def test_evaluate_writes_the_page_with_its_table(
    tmp_path: Path, images: Mapping[str, metrics.Image], open_page: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, image in zip(("noisy", "done", "clean"), images.values(), strict=True):
        exr.write_frame(tmp_path / f"{name}.exr", Frame({"color": image}))
    files = [str(tmp_path / f"{name}.exr") for name in ("noisy", "done")]
    reference, out = ["--reference", str(tmp_path / "clean.exr")], tmp_path / "compare.html"
    assert main(["evaluate", *files, *reference, "--html", str(out)]) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    view = open_page(out)
    assert [row.split() for row in view.locator("tr").all_inner_texts()] == printed
    assert view.get_by_role("combobox", name="Left").input_value() == files[0]
    assert view.get_by_role("combobox", name="Right").input_value() == files[1]
    assert view.get_by_role("combobox", name="Show").locator("option").all_inner_texts() == [
        "picture",
        "error",
    ]
    assert list(tmp_path.glob(".*")) == []
