import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyoidn")  # mcdenoise[bench]

from benchmarks import origin, pictures, quality, report, unseen, validation
from mcdenoise import exr, oidn, views
from mcdenoise.errors import McdenoiseError, NoInputError
from mcdenoise.frame import Frame

SIZE = (24, 32)


def write_pair(
    folder: Path,
    make: Callable[..., Frame],
    *,
    spp: int,
    seed: int,
    pixel_filter: str = "box",
    same_seed: bool = False,
) -> None:
    for half in range(2):
        own = seed if same_seed else seed + half
        frame = make(own, size=SIZE, sigma=1 / spp**0.5)
        attributes = {
            "scene": "ball",
            "view": 0,
            "spp": spp,
            "filter": pixel_filter,
            "seed": own,
            "renderer": "fake",
        }
        named = {f"mcdenoise.{name}": value for name, value in attributes.items()}
        path = folder / f"ball.v000.{spp}spp.{pixel_filter}.{'ab'[half]}.exr"
        exr.write_frame(path, replace(frame, attributes=named))


@pytest.fixture
def folder(tmp_path: Path, noisy_frame: Callable[..., Frame]) -> Path:
    """Work at 2 and 8 spp a half on a box, and a reference of 1024."""
    for seed, spp in enumerate((2, 8, 1024)):
        write_pair(tmp_path, noisy_frame, spp=spp, seed=10 * seed)
    return tmp_path


def test_pair_with_most_spp_is_the_reference_of_all_others(folder: Path) -> None:
    cases, remarks = validation.cases(folder)
    assert [case.name for case in cases] == ["ball.v000.16spp.box", "ball.v000.4spp.box"]
    assert {case.reference.spp for case in cases} == {1024}
    assert remarks == []


def test_pair_of_another_filter_is_remarks_without_a_reference_of_its_own(
    folder: Path, noisy_frame: Callable[..., Frame]
) -> None:
    write_pair(folder, noisy_frame, spp=2, seed=50, pixel_filter="gaussian")
    cases, remarks = validation.cases(folder)
    assert len(cases) == 2
    assert remarks == ["ball view 0 gaussian: no pair of 256 spp or more a half"]


def test_halves_of_one_seed_are_remarks_and_named(folder: Path, noisy_frame: Callable[..., Frame]) -> None:
    write_pair(folder, noisy_frame, spp=4, seed=90, same_seed=True)
    cases, remarks = validation.cases(folder)
    assert len(cases) == 2
    assert "ball.v000.4spp.box.b.exr: has the seed of" in remarks[0]


def test_pair_without_its_second_half_is_remarks_and_named(folder: Path) -> None:
    (folder / "ball.v000.2spp.box.b.exr").unlink()
    cases, remarks = validation.cases(folder)
    assert [case.name for case in cases] == ["ball.v000.16spp.box"]
    assert "ball.v000.2spp.box.b.exr: no such file" in remarks[0]


def test_work_that_shares_a_seed_with_its_reference_is_remarked(
    folder: Path, noisy_frame: Callable[..., Frame]
) -> None:
    write_pair(folder, noisy_frame, spp=4, seed=21)  # the reference has 20 and 21
    cases, remarks = validation.cases(folder)
    assert len(cases) == 3
    assert [line.split(": ")[0] for line in remarks] == ["ball.v000.4spp.box.a.exr"]


@pytest.mark.parametrize("there_is_a_folder", [True, False])
def test_nothing_to_measure_is_one_clear_error(tmp_path: Path, there_is_a_folder: bool) -> None:
    with pytest.raises(NoInputError, match=r"no pair with a reference|no such folder"):
        validation.cases(tmp_path if there_is_a_folder else tmp_path / "none")


def test_work_is_the_mean_of_both_halves_at_twice_the_spp(folder: Path) -> None:
    case = validation.cases(folder)[0][0]
    halves = [exr.read_frame(path) for path in (case.pair.first, case.pair.second)]
    frame = validation.mean_frame(case.pair)
    np.testing.assert_allclose(frame.color, (halves[0].color + halves[1].color) / 2, rtol=1e-6)
    assert frame.attributes["mcdenoise.spp"] == 16


def test_frames_are_chosen_by_pattern_and_a_pattern_that_fits_none_is_an_error(folder: Path) -> None:
    cases, _ = validation.cases(folder)
    assert [case.name for case in quality.choose(cases, ["*.4spp.*"])] == ["ball.v000.4spp.box"]
    with pytest.raises(NoInputError, match=r"--frames: none fits xyz; there is: ball"):
        quality.choose(cases, ["xyz"])


def test_clean_picture_wins_over_noise_and_oidn_and_the_report_says_so(
    folder: Path, noisy_frame: Callable[..., Frame]
) -> None:
    cases, remarks = validation.cases(folder)
    clean = noisy_frame(0, size=SIZE, sigma=0)
    # A little off, for the exact picture can come out below zero against two noisy halves.
    ours = replace(clean, planes={**clean.planes, "color": clean.color * np.float32(1.02)})
    results = list(quality.measure_all(cases, {"ours": lambda _: ours}, pictures_to=folder / "out"))
    report.write(folder / "out", results, remarks, origin.here("benchmarks.quality", Path(__file__)))
    told = json.loads((folder / "out" / "quality.json").read_text())
    everything = told["summary"][0]
    assert everything["group"] == "all"
    assert everything["frames"] == 2
    assert everything["to_noisy"] < 0.1
    assert everything["to_oidn"] < 1
    assert everything["energy_off"] == pytest.approx(0.02, abs=0.01)
    assert set(told["frames"][0]["methods"]) == {
        "noisy", "ours", "ours halves", "OIDN color only", "OIDN noisy guides", "OIDN clean guides",
    }  # fmt: skip
    assert told["origin"]["revision"] != "unknown"
    text = (folder / "out" / "quality.md").read_text()
    assert text.count("| ball.v000.4spp.box |") == 7  # six methods, and the worst of its groups


def test_page_of_a_frame_shows_every_method_and_the_reference(
    folder: Path, noisy_frame: Callable[..., Frame]
) -> None:
    clean, out = noisy_frame(0, size=SIZE, sigma=0), folder / "out"
    denoisers = {"ours": lambda _: clean, "ours high": lambda f: f}
    results = list(quality.measure_all(validation.cases(folder)[0], denoisers, pictures_to=out))
    assert sorted(path.stem for path in out.glob("*.html")) == ["ball.v000.16spp.box", "ball.v000.4spp.box"]
    for result in results:
        text = (out / f"{result.case.name}.html").read_text(encoding="utf-8")
        shown = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
        assert [picture["name"] for picture in shown["pictures"]] == [*result.methods, "reference"]
        assert shown["shown"] == [result.best_oidn, "ours"]
        assert [row[0] for row in shown["table"]] == ["", *result.methods]
        assert {len(row) for row in shown["table"]} == {9}
    assert report.summarize(results)[0].high_halves_to_oidn is not None


def test_best_setting_of_oidn_is_the_one_with_least_relmse(folder: Path) -> None:
    result = next(quality.measure_all(validation.cases(folder)[0], {"ours": lambda f: f}, pictures_to=folder))
    modes = {name: scored.scores.relmse for name, scored in result.methods.items() if "OIDN" in name}
    assert result.relmse("OIDN") == min(modes.values())


def test_denoiser_that_breaks_a_frame_is_reported_and_not_averaged_away(folder: Path) -> None:
    def broken(frame: Frame) -> Frame:
        return replace(frame, planes={**frame.planes, "color": np.full_like(frame.color, np.nan)})

    results = list(
        quality.measure_all(validation.cases(folder)[0], {"ours": broken}, pictures_to=folder / "out")
    )
    summary = report.summarize(results)[0]
    assert summary.without_ratio == 2
    assert summary.to_oidn is None
    assert summary.energy_off is None
    report.write(folder / "out", results, [], origin.here("benchmarks.quality", Path(__file__)))


def test_flip_of_black_is_nan_and_does_not_end_the_process() -> None:
    black = np.zeros((8, 8, 3), np.float32)
    assert np.isnan(quality.flip(black + 1, black))
    assert quality.flip(black + 1, black + 1) == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (20, 33)])
@pytest.mark.parametrize("mode", ["color only", "noisy guides", "clean guides"])
def test_oidn_keeps_the_size_and_from_a_few_pixels_on_the_brightness(
    size: tuple[int, int], mode: str, noisy_frame: Callable[..., Frame]
) -> None:
    frame = noisy_frame(1, size=size)
    denoised = oidn.modes(frame)[mode](frame)
    assert denoised.shape == frame.color.shape
    assert np.isfinite(denoised).all()
    if size != (1, 1):
        assert denoised.mean() == pytest.approx(frame.color.mean(), rel=0.5)


def test_oidn_reads_planes_that_are_views_into_larger_ones(noisy_frame: Callable[..., Frame]) -> None:
    frame = noisy_frame(1)
    views = Frame({name: plane[::2, ::2] for name, plane in frame.planes.items()})
    copies = Frame({name: plane.copy() for name, plane in views.planes.items()})
    np.testing.assert_array_equal(oidn.noisy_guides(views), oidn.noisy_guides(copies))


def test_without_albedo_oidn_runs_on_color_only(noisy_frame: Callable[..., Frame]) -> None:
    planes = noisy_frame(1).planes
    assert list(oidn.modes(Frame({"color": planes["color"], "normal": planes["normal"]}))) == ["color only"]


def test_what_oidn_refuses_is_an_error_of_ours() -> None:
    grey = np.ones((4, 4, 3), np.float32)
    with pytest.raises(McdenoiseError, match="OIDN, test: "):
        oidn._run("test", {"color": grey, "normal": grey}, quality="high", hdr=True)


def test_crop_of_the_picture_lies_where_ours_is_worst() -> None:
    reference = np.ones((20, 40, 3), np.float32)
    image = reference.copy()
    image[15:, 35:] = 5
    y, x = pictures.worst_corner(image, reference)
    assert y + 10 == 20
    assert x + 20 == 40


def test_views_of_four_renders_are_measured_by_their_cleaner_two(
    tmp_path: Path, noisy_frame: Callable[..., Frame]
) -> None:
    for seed, (letter, sigma) in enumerate(zip("abcd", (0.5, 0.5, 0.05, 0.05), strict=True)):
        exr.write_frame(tmp_path / f"ball.v000.{letter}.exr", noisy_frame(seed, size=SIZE, sigma=sigma))
    [files] = unseen.choose(views.find(tmp_path), ["ball*"], 5)
    as_it_is = unseen.measure(files, lambda frame: frame)
    nothing = unseen.measure(files, lambda frame: Frame({"color": 0 * frame.color}))

    assert 0 < as_it_is.ours < nothing.ours
    assert as_it_is.theirs < as_it_is.ours
    assert unseen.table([as_it_is])[2].startswith(f"| 1 | {as_it_is.ours / as_it_is.theirs:.3f} ")
    with pytest.raises(NoInputError, match="--extra-spp"):
        unseen.choose(views.find(tmp_path), ["cube*"], None)
