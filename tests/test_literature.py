"""benchmarks.literature: pairs are what they say, and small versions of each row find what the papers say."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from benchmarks.literature import corruptions, images, learning, page, results, rows, sources
from benchmarks.literature.corruptions import Corruption
from benchmarks.literature.networks import EVERY, FourierConsistent, Guided
from benchmarks.literature.results import Results
from benchmarks.literature.rows import (
    budget,
    convergence,
    digits,
    losses,
    monte_carlo,
    mri,
    noise2self,
    online,
)
from benchmarks.literature.rows import corruptions as row_of_corruptions
from benchmarks.literature.rows import networks as row_of_networks
from mcdenoise import dataset, plugins, trainer
from mcdenoise.networks._contract import Denoising
from mcdenoise.views import View

NETWORKS: dict[str, Callable[[int], Denoising]] = {**EVERY, "guided": Guided}


def grey(value: float = 0.5, side: int = 64) -> images.Picture:
    return np.full((side, side, 3), value, np.float32)


# ---- corruptions and pairs ----

UNBIASED = {
    "gaussian": corruptions.gaussian((25, 25)),
    "correlated": corruptions.gaussian((25, 25), blur=2.0),
    "poisson": corruptions.poisson((30, 30)),
}


@pytest.mark.parametrize("name", UNBIASED)
def test_noise_has_the_picture_as_its_mean(name: str) -> None:
    chance = np.random.default_rng(1)
    drawn = [UNBIASED[name](grey(), chance).values for _ in range(64)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.002)


def test_correlated_noise_has_the_variance_asked_for() -> None:
    chance = np.random.default_rng(1)
    for blur in (0.0, 1.0, 4.0):
        drawn = corruptions.correlated((256, 256, 3), blur, chance)
        assert drawn.std() == pytest.approx(1, rel=0.1)
    assert np.mean(drawn[:, 1:] * drawn[:, :-1]) > 0.9


def test_clipped_noise_is_no_longer_unbiased_on_black() -> None:
    clipped = corruptions.gaussian((127.5, 127.5), is_clipped=True)
    assert clipped(grey(0.0), np.random.default_rng(1)).values.mean() > 0.15


@pytest.mark.parametrize(("made", "share"), [(corruptions.text, 0.3), (corruptions.impulse, 0.7)])
def test_so_many_pixels_are_overwritten_as_asked_for(made: Callable[..., Corruption], share: float) -> None:
    found = made((share, share))(grey(side=128), np.random.default_rng(1)).values
    assert (found != 0.5).any(axis=2).mean() == pytest.approx(share, abs=0.05)


def test_unknown_pixels_of_a_masked_target_do_not_count() -> None:
    pair = sources.noise2noise(corruptions.bernoulli((0.5, 0.5)))
    color, target, weight = pair(grey(), np.random.default_rng(1))
    assert np.array_equal(target > 0, weight > 0)
    assert weight.mean() == pytest.approx(0.5, abs=0.05)
    assert not np.array_equal(color, target)


def test_same_crops_and_inputs_whatever_the_target() -> None:
    noise, pictures = corruptions.gaussian((25, 25)), images.tested()
    noisy, clean = (
        next(sources.batches(pictures, pairing(noise), side=32))
        for pairing in (sources.noise2noise, sources.noise2clean)
    )
    assert torch.equal(noisy.color, clean.color)
    assert (noisy.target - clean.target).std() == pytest.approx(25 / 255, rel=0.05)


def test_a_self_supervised_input_does_not_hold_the_pixels_it_is_asked_for() -> None:
    color, target, weight = sources.noise2self(corruptions.gaussian((25, 25)))(
        grey(), np.random.default_rng(1)
    )
    assert weight.mean() == 1 / 16
    assert not (color == target)[weight > 0].any()
    assert (color == target)[weight == 0].all()


def test_a_blind_result_does_not_depend_on_the_pixel_itself() -> None:
    torch.manual_seed(1)
    network, picture = EVERY["U-Net"](4).eval(), images.tested()[0][:32, :32].copy()
    before = noise2self.blind(network, picture)
    picture[10, 13] += 1
    after = noise2self.blind(network, picture)
    np.testing.assert_allclose(before[10, 13], after[10, 13], atol=1e-6)
    assert np.abs(before[10, 14] - after[10, 14]).max() > 1e-4


def test_no_test_image_is_trained_on() -> None:
    assert not set(images.TRAINED) & set(images.TESTED)
    learned, tested = images.tissue()
    assert learned[0].shape[1] <= 320
    assert all(picture.shape[1] == 512 - 320 for picture in tested)


def test_measurements_are_the_phantom_on_average_and_a_network_keeps_them() -> None:
    chance = np.random.default_rng(1)
    (head,) = images.phantoms(1, chance)
    known, _ = mri.measured(head, chance)
    mean = np.mean([mri.measured(head, chance)[1] for _ in range(400)], axis=0)
    assert np.abs(mean - head).max() < 0.15
    assert np.abs(known - head).max() > 0.3
    torch.manual_seed(1)
    (found,) = learning.denoised(FourierConsistent(4).eval(), [known])
    given, kept = (np.fft.rfft2(picture[..., 0]) for picture in (known, found))
    is_measured = np.abs(given) > 0.01
    assert 0.05 < is_measured.mean() < 0.6
    np.testing.assert_allclose(kept[is_measured], given[is_measured], atol=1e-3)


# ---- networks, under the project's contract ----


@pytest.mark.parametrize("name", NETWORKS)
def test_network_keeps_sizes_and_is_built_again_by_its_recipe(name: str) -> None:
    network = NETWORKS[name](4)
    size = (2 * network.stride, 3 * network.stride)
    again = type(network)(**network.recipe)
    again.load_state_dict(network.state_dict())
    inputs = small.inputs(*size)
    assert torch.equal(network.eval()(*inputs), again.eval()(*inputs))
    assert network(*inputs).shape == (1, 3, *size)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_output_pixel_depends_on_an_input_pixel_beyond_the_radius(name: str) -> None:
    network = NETWORKS[name](4).eval()
    for value in network.parameters():
        if not value.any():  # some begin with zeros
            torch.nn.init.ones_(value)
    assert 0 < small.farthest_dependence(network, 2) <= network.radius


def test_flops_of_a_network_are_those_of_its_convolutions() -> None:
    taps = 9 * (3 * 4 + 15 * 4 * 4 + 4 * 3)
    assert row_of_networks.flops(EVERY["DnCNN"](4).eval()) == 2 * taps


# ---- the trainer ----


def test_a_given_weight_takes_the_place_of_the_trainers_own(noisy_frame: small.MakeFrame) -> None:
    settings = small.settings(means_weight=0.0)
    (batch,) = islice(dataset.batches(small.pairs(noisy_frame), dataset.Cut(32, 1, 1)), 1)
    nothing = replace(batch, weight=torch.zeros_like(batch.target))
    loss = learning.losses.find("l2", is_target_noisy=True)
    objective = trainer.weighted(loss, settings)
    for given, expected in ((batch, False), (nothing, True)):
        torch.manual_seed(1)
        state = trainer.begin(EVERY["U-Net"](4), settings, torch.device("cpu"))
        loss, _ = trainer.update(state, given, objective, settings, torch.device("cpu"))
        assert (loss == 0) is expected


def test_averaged_network_has_the_statistics_of_the_batches() -> None:
    source = sources.batches([grey(0.9)], sources.noise2noise(UNBIASED["gaussian"]), side=32)
    network, _ = learning.fit(partial(EVERY["Win5-RB"], 4), source, 3)
    assert dict(network.named_buffers())["residual.0.1.running_mean"].abs().max() > 1e-3


# ---- results and the page ----


def test_second_run_finds_only_what_is_missing_and_other_steps_start_again(tmp_path: Path) -> None:
    first = Results(tmp_path / "row.json", 10)
    assert first.once("one", lambda: 1) == 1
    assert Results(tmp_path / "row.json", 10).once("one", lambda: 2) == 1
    assert results.read(tmp_path / "row.json").found == {"one": 1}
    assert Results(tmp_path / "row.json", 20).found == {}


def test_table_replaces_what_is_between_its_marks_and_nothing_else(tmp_path: Path) -> None:
    text = "before\n<!-- one -->\nold\n<!-- end -->\nafter\n<!-- two -->\n<!-- end -->\n"
    told = page._between(text, "one", page.markdown([[["a"], ["1"]]]))
    assert told == text.replace("old", "| a |\n| --- |\n| 1 |")


@pytest.mark.parametrize("row", plugins.names(rows))
def test_every_row_has_its_place_on_the_page(row: str) -> None:
    name = row.replace("_", "-")
    text = page.PAGE.read_text(encoding="utf-8")
    assert f"<!-- {name} -->\ntold\n<!-- end -->" in page._between(text, name, "told")


# ---- the claims, small ----


def run(tmp_path: Path, steps: int) -> Results:
    return Results(tmp_path / "row.json", steps)


@pytest.mark.slow
def test_noisy_targets_come_close_to_clean_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = row_of_corruptions.CASES["Gaussian, sigma 25"]
    monkeypatch.setattr(row_of_corruptions, "CASES", {"Gaussian, sigma 25": case})
    found = run(tmp_path, 150)
    row_of_corruptions.measure(found)
    told = found.found["Gaussian, sigma 25"]
    clean, noisy = (told[target][-1][1] for target in ("clean", "noisy"))
    assert noisy > told["corrupted"] + 5
    assert abs(noisy - clean) < 0.5
    ((head, row),) = row_of_corruptions.tables(found)
    assert len(head) == len(row)


@pytest.mark.slow
def test_l2_finds_the_mean_l1_the_median_l0_the_mode() -> None:
    found = {
        (name, loss): losses.best_constant(noise, loss, 200)
        for name, noise in losses.NOISES.items()
        for loss in losses.LOSSES
    }
    known = {name: losses.statistics(noise) for name, noise in losses.NOISES.items()}
    for name, statistics in known.items():
        assert found[name, "l2"] == pytest.approx(statistics["mean"], abs=0.02)
        assert found[name, "relative_l2"] == pytest.approx(statistics["mean"], abs=0.03)
        assert found[name, "l1"] == pytest.approx(statistics["median"], abs=0.02)
    for name in ("text, 40 %", "impulses, 70 %"):
        assert found[name, "l0"] == pytest.approx(losses.TRUTH, abs=0.02)
    assert abs(found["impulses, 70 %", "l1"] - losses.TRUTH) > 0.06  # where L1 fails


@pytest.mark.slow
def test_donut_median_finds_its_radius_alone_and_is_off_by_the_noise_variance() -> None:
    found = noise2self.medians()
    best = {
        name: {to: noise2self.best(points, to) for to in ("noisy", "clean")} for name, points in found.items()
    }
    assert best["donut"]["noisy"] == best["donut"]["clean"]
    assert best["median"]["noisy"] < best["median"]["clean"]  # it copies noise
    variance = (noise2self.SIGMA / 255) ** 2
    for point in found["donut"]:
        assert point["noisy"] - point["clean"] == pytest.approx(variance, rel=0.05)


@pytest.mark.slow
def test_noisy_pictures_alone_teach_and_tell_how_good_the_result_is() -> None:
    noise = corruptions.gaussian((noise2self.SIGMA, noise2self.SIGMA))
    source = sources.batches(images.trained(), sources.noise2self(noise))
    network, _ = learning.fit(partial(EVERY["U-Net"], 16), source, 120)
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, noise)]
    found = [noise2self.blind(network, picture) for picture in noisy]
    assert learning.psnr(found, clean) > learning.psnr(noisy, clean) + 5
    variance = (noise2self.SIGMA / 255) ** 2
    assert learning.mse(found, noisy) - learning.mse(found, clean) == pytest.approx(variance, rel=0.03)


@pytest.mark.slow
def test_gradients_are_the_noisier_the_farther_noise_is_correlated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "BLURS", (0.0, 1.0, 4.0))
    white, near, far = convergence.gradient_noise(30)
    assert white < near < far


@pytest.mark.slow
def test_many_pictures_twice_teach_more_than_few_often() -> None:
    many, few = (budget._curve(pictures, False, 200)[-1][1] for pictures in (64, 2))
    assert many > few + 0.2


@pytest.mark.slow
def test_clipped_noise_costs_noisy_targets_what_theory_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = {f"{clipped}": (EVERY["CAE"], False, clipped, True, "-") for clipped in (True, False)}
    monkeypatch.setattr(digits, "WAYS", ways)
    clipped, unclipped = (digits._learned(way, run(tmp_path, 200)) for way in ways)
    cost = digits.cost_of_clipping(are_two_valued=True)
    assert unclipped < cost
    assert clipped - unclipped == pytest.approx(cost, rel=0.4)


@pytest.mark.slow
def test_other_measurements_teach_what_was_not_measured(tmp_path: Path) -> None:
    told = mri._curve("N2N, measured kept", run(tmp_path, 150))
    assert told["curve"][-1][1] > told["measured"] + 1


def made_up(noisy_frame: small.MakeFrame, seed: int) -> View:
    """A view of two noisy renders and two with a little noise."""
    noisy = [noisy_frame(4 * seed + n, size=(64, 64), sigma=1.0) for n in (0, 1)]
    cleaner = [noisy_frame(4 * seed + n, size=(64, 64), sigma=0.05) for n in (2, 3)]
    planes = tuple(dict(frame.planes) for frame in (*noisy, *cleaner))
    return View(f"place{seed}", f"place{seed}.0001", planes, spps=(8, 8, 64, 64))


@pytest.mark.slow
def test_a_tone_curve_on_noisy_targets_darkens_and_one_on_the_input_does_not(
    noisy_frame: small.MakeFrame,
) -> None:
    learned, tested = [made_up(noisy_frame, n) for n in range(8)], made_up(noisy_frame, 9)
    light = {}
    for name in ("L2: T(x), T(y)", "L_HDR: T(x), y"):
        arm = monte_carlo.ARMS[name]
        build = partial(Guided, 8, is_toned=arm.is_toned, predicts_tones=arm.are_targets_toned)
        source = monte_carlo.batches(learned, arm)
        network, _ = learning.fit(build, source, 120, loss=arm.loss)
        _, light[name] = monte_carlo.scores(network, tested)
    assert light["L2: T(x), T(y)"] < 0.87
    assert light["L_HDR: T(x), y"] == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_what_learns_on_the_way_overtakes_the_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noisy_frame: small.MakeFrame
) -> None:
    truth = noisy_frame(0, size=(64, 64), sigma=0.0).color

    def path(count: int) -> Iterator[online.Stop]:
        for number in range(count):
            view = made_up(noisy_frame, number)
            yield online.Stop(replace(view, renders=view.renders[:2], spps=(8, 8)), truth)

    monkeypatch.setattr(online, "path", path)
    monkeypatch.setattr(online, "_trained_before", lambda _: Guided(4).eval())
    told = online._over_the_path(run(tmp_path, 20))
    first, last = (told["untrained, learns"][n][1] for n in (0, -1))
    assert first < told["noisy"][0][1]
    assert last > told["noisy"][-1][1] + 2
    assert last > told["trained before"][-1][1]
