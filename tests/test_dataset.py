"""Pairs become batches: the same from the same seed, in both directions, and never from a bad pair."""

from collections.abc import Callable, Sequence
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from mcdenoise import dataset, exr, patterns
from mcdenoise.dataset import Batch, Cut
from mcdenoise.errors import TrainingError
from mcdenoise.frame import Frame
from mcdenoise.views import View

MakeFrame = small.MakeFrame
# Masks of albedo, normal and depth among the guides.
MASKS = slice(7, 10)


def first(pairs: list[View], cut: Cut, count: int, *, first_step: int = 0) -> list[Batch]:
    return list(islice(dataset.batches(pairs, cut, first_step=first_step), count))


def equal(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(getattr(one, part), getattr(other, part)) for part in ("color", "guides", "target")
    )


def flat(value: float, *, size: tuple[int, int] = (32, 32)) -> Frame:
    return Frame({"color": np.full((*size, 3), value, np.float32)})


# ---- batches ----


def test_batch_is_of_the_shape_asked_for(noisy_frame: MakeFrame) -> None:
    (batch,) = first(small.pairs(noisy_frame), Cut(32, 2, seed=1), 1)
    assert batch.color.shape == batch.target.shape == (2, 3, 32, 32)
    assert batch.guides.shape == (2, 10, 32, 32)
    assert {part.dtype for part in (batch.color, batch.guides, batch.target)} == {torch.float32}


def test_guides_of_the_target_are_those_of_its_own_render_turned_alike() -> None:
    chance = np.random.default_rng(1)
    shared, ramp = chance.random((32, 32, 2)), np.full((32, 32, 1), 0.5)
    halves = [
        Frame(
            {
                "color": np.full((32, 32, 3), level, np.float32),
                "albedo": np.dstack([shared, ramp * level]).astype(np.float32),
            }
        )
        for level in (1.0, 0.5)
    ]
    cut = Cut(
        32, 1, seed=3, guide_dropout=0.0, guide_blindness=0.0, repainting=0.0, mixing=0.0, guide_noise=0.0
    )
    for batch in first([small.pair(halves, scene="place")], cut, 6):
        own, other = (
            {float(part.mean()): part for part in guides[0, :3]}
            for guides in (batch.guides, batch.target_guides)
        )
        alike = [level for level in own if level in other]
        assert len(alike) == 2
        assert all(torch.equal(own[level], other[level]) for level in alike)


def test_same_seed_gives_the_same_batches_and_another_seed_others(noisy_frame: MakeFrame) -> None:
    pairs = small.pairs(noisy_frame)
    one, same, other = (first(pairs, Cut(32, 2, seed), 4) for seed in (1, 1, 2))
    assert all(map(equal, one, same))
    assert not any(map(equal, one, other))
    assert not equal(one[0], one[1])


def test_stream_resumes_at_any_step(noisy_frame: MakeFrame) -> None:
    pairs, cut = small.pairs(noisy_frame), Cut(32, 2, seed=1)
    assert all(map(equal, first(pairs, cut, 7)[4:], first(pairs, cut, 3, first_step=4)))


def test_batches_that_other_processes_make_are_the_same(noisy_frame: MakeFrame) -> None:
    pairs, cut = small.pairs(noisy_frame), Cut(32, 2, seed=5)
    ahead = islice(dataset.batches(pairs, cut, first_step=2, workers=2), 5)
    for one, other in zip(ahead, first(pairs, cut, 5, first_step=2), strict=True):
        assert torch.equal(one.color, other.color)
        assert torch.equal(one.target, other.target)


def test_each_half_is_input_at_times_and_target_at_times() -> None:
    pairs = [small.pair([flat(1), flat(2)])]
    ratios = [(b.target / b.color).mean().item() for b in first(pairs, Cut(32, 1, seed=1), 40)]
    assert {round(ratio, 3) for ratio in ratios} == {0.5, 2}
    assert 10 <= sum(ratio > 1 for ratio in ratios) <= 30  # 20 of 40: three standard deviations are 9.5


def of_levels(**spps: int) -> View:
    """A pair whose renders are flat: 1, 2, 4, 8, so that a mean tells what it was made of."""
    frames = [dict(flat(2.0**number).planes) for number in range(len(spps))]
    return View("scene", "scene.0001", tuple(frames), spps=tuple(spps.values()))


def painted(value: float) -> Frame:
    """Flat, and its albedo says what it is."""
    return Frame({**flat(value).planes, "albedo": np.full((32, 32, 3), value, np.float32)})


def test_another_view_shows_through_a_mask_in_input_target_and_guides_alike() -> None:
    """Albedo tells the share of each: 0.25 here, 0.75 there."""
    pairs = [small.pair([painted(value)] * 2, scene=f"{value}") for value in (0.25, 0.75)]
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=0.0, mixing=1.0, guide_noise=0.0
    )
    kinds = set()
    for batch in first(pairs, cut, 40):
        assert torch.equal(batch.color, batch.target)
        albedo, level = batch.guides[0, 0], batch.color[0, 0]
        share = (albedo - 0.25) / 0.5
        assert 0 <= float(share.min()) <= float(share.max()) <= 1
        kinds.add(len(share.unique()) > 1)
        # Radiance goes from one view's to the other's as the albedo does.
        at, slope = level.flatten(), share.flatten() - share.flatten()[0]
        if slope.abs().max() > 0.1:
            far = int(slope.abs().argmax())
            torch.testing.assert_close(
                at, at[0] + (at[far] - at[0]) * slope / slope[far], rtol=1e-3, atol=1e-4
            )
    assert True in kinds


def test_guides_of_the_input_are_noisy_and_those_of_the_target_as_they_are() -> None:
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=0.0, mixing=0.0, guide_noise=1.0
    )
    deviations = []
    for batch in first([small.pair([painted(0.5)] * 2, scene="place")], cut, 20):
        assert torch.equal(batch.color, batch.target)
        assert (batch.target_guides[:, :3] == 0.5).all()
        deviations.append(float(batch.guides[:, :3].std()))
    assert 0 < min(deviations) < max(deviations) < dataset.GUIDE_NOISE


@pytest.mark.parametrize("seed", range(12))
def test_masks_are_shares_of_pixels(seed: int) -> None:
    mask = patterns.mask(32, np.random.default_rng(seed))
    assert mask.shape == (32, 32, 1)
    assert mask.dtype == np.float32
    assert set(np.unique(mask * patterns.FINE**2)) <= set(range(patterns.FINE**2 + 1))


def test_of_several_renders_one_may_be_the_witness_and_all_others_are_the_target() -> None:
    spps, levels = {"a": 2, "b": 2, "c": 8, "d": 8}, [1, 2, 4, 8]
    made = set()
    for batch in first([of_levels(**spps)], Cut(32, 1, seed=1), 100):
        ratios = [float((part / batch.color).mean()) for part in (batch.target, batch.witness)]
        fits = [
            (chosen, witness)
            for count in (1, 2, 3)
            for chosen in combinations(range(4), count)
            for witness in ({2, 3, None} if count < 3 else {None}) - set(chosen)
            if np.allclose(ratios, expected(levels, chosen, witness, spps), rtol=1e-4, equal_nan=True)
        ]
        assert fits
        made.update(fits)
    assert {chosen for chosen, _ in made if len(chosen) == 1} == {(0,), (1,), (2,), (3,)}
    # There is a witness where both of the cleaner renders are left, and only there.
    assert {chosen for chosen, witness in made if witness is not None} == {(0,), (1,), (0, 1)}
    assert {chosen for chosen, witness in made if witness is None} >= {(2,), (3,), (0, 2)}


def expected(
    levels: list[int], chosen: Sequence[int], witness: int | None, spps: dict[str, int]
) -> tuple[float, float]:
    """Target and witness over the input."""
    color = average(levels, chosen, spps)
    target = rest(levels, [*chosen, *([] if witness is None else [witness])], spps)
    return target / color, np.nan if witness is None else levels[witness] / color


def average(levels: list[int], chosen: Sequence[int], spps: dict[str, int]) -> float:
    values = np.array(levels)[list(chosen)]
    return float(np.average(values, weights=np.array(list(spps.values()))[list(chosen)]))


def rest(levels: list[int], used: Sequence[int], spps: dict[str, int]) -> float:
    return average(levels, [i for i in range(len(levels)) if i not in used], spps)


def test_noise_of_the_target_is_told_by_the_samples() -> None:
    ratios = {
        round(batch.target_noise.item(), 3)
        for batch in first([of_levels(a=2, b=2, c=8, d=8)], Cut(32, 1, seed=1), 60)
    }
    told_by_a_witness = {round(2 / 10, 3), round(4 / 8, 3)}
    assert {0.2, 0.667} <= ratios <= told_by_a_witness | {round(n / (20 - n), 3) for n in (8, 10, 12, 16, 18)}


def test_exposure_does_not_depend_on_the_target(noisy_frame: MakeFrame) -> None:
    one, other = noisy_frame(1, size=(32, 32)), noisy_frame(2, size=(32, 32))
    tripled = Frame({**other.planes, "color": other.color * np.float32(3)})
    cut = Cut(32, 1, seed=1)

    usual, brighter = (first([small.pair([one, half])], cut, 16) for half in (other, tripled))

    changes = []
    for before, after in zip(usual, brighter, strict=True):
        # Either the target is tripled, or the input, whose exposure then makes up for it.
        torch.testing.assert_close(before.color, after.color, rtol=1e-4, atol=1e-6)
        changes.append(round((after.target.mean() / before.target.mean()).item(), 2))
    assert set(changes) == {3.0, 0.33}


def test_exposure_varies_by_some_stops() -> None:
    pairs = [small.pair([flat(1), flat(1)])]
    values = [
        batch.color.mean().item() for batch in first(pairs, Cut(32, 1, seed=1, mixing=0.0, stops=2.0), 60)
    ]
    assert 0.18 / 4 <= min(values) < 0.18 / 2
    assert 0.18 * 2 < max(values) <= 0.18 * 4


def test_guides_are_hidden_at_times_one_by_one_and_all_at_once(noisy_frame: MakeFrame) -> None:
    cut = Cut(32, 1, seed=1, guide_dropout=0.3)
    masks = [
        tuple(batch.guides[0, MASKS, 0, 0].tolist()) for batch in first(small.pairs(noisy_frame), cut, 60)
    ]
    assert {(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0)} <= set(masks)


def test_no_guide_is_hidden_without_dropout(noisy_frame: MakeFrame) -> None:
    cut = Cut(32, 1, seed=1, guide_dropout=0.0)
    assert all(b.guides[0, MASKS].min() == 1 for b in first(small.pairs(noisy_frame), cut, 10))


def test_guides_are_blind_at_times_in_a_rectangle_and_the_picture_is_not(noisy_frame: MakeFrame) -> None:
    pairs = small.pairs(noisy_frame, 1, size=(32, 32))
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.5, repainting=0.0, mixing=0.0, guide_noise=0.0
    )
    shares, blacks = [], []
    for batch in first(pairs, cut, 60):
        flat = ((batch.guides[0, :7, 1:] == batch.guides[0, :7, :-1]).all(0)).float().mean()
        shares.append(float(flat))
        blacks.append(bool((batch.guides[0, :3] == 0).all(0).any()))
        assert float((batch.color[0, :, 1:] == batch.color[0, :, :-1]).float().mean()) < 0.01
    assert 15 <= sum(share > 0.01 for share in shares) <= 45
    assert 5 <= sum(blacks) <= 30


def test_repainted_surfaces_are_of_few_colours_and_lit_as_before() -> None:
    """The light that falls on things stays: color over albedo, but for one factor."""
    chance = np.random.default_rng(0)
    albedo, light = (
        chance.uniform(0.1, 0.8, (32, 32, 3)).astype(np.float32),
        chance.uniform(1, 9, (32, 32, 1)),
    )
    half = Frame({"color": (albedo * light).astype(np.float32), "albedo": albedo})
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=1.0, mixing=0.0, guide_noise=0.0
    )
    counts = []
    for batch in first([small.pair([half, half])], cut, 20):
        painted = batch.guides[0, :3]
        torch.testing.assert_close(batch.color, batch.target)
        light_now = np.sort((batch.color[0] / painted).numpy().ravel())
        np.testing.assert_allclose(
            light_now / light_now.mean(), np.sort(np.repeat(light, 3)) / light.mean(), rtol=1e-3
        )
        counts.append(len(np.unique(painted.flatten(1).numpy().round(4), axis=1).T))
    assert np.median(counts) < 100  # of 1,024 pixels; no channel gets more than six times brighter
    assert sum(count == 1 for count in counts) >= 5


def test_black_things_are_not_repainted_and_the_target_does_not_decide() -> None:
    chance = np.random.default_rng(0)
    albedo = chance.uniform(0, 0.04, (32, 32, 3)).astype(np.float32)
    albedo[:16] += 0.3
    color, other = (chance.uniform(1, 9, (32, 32, 3)).astype(np.float32) for _ in range(2))
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=1.0, mixing=0.0, guide_noise=0.0
    )
    pairs = [
        small.pair([Frame({"color": color, "albedo": albedo}), Frame({"color": target, "albedo": albedo})])
        for target in (other, 2 * other)
    ]
    for one, double in zip(first(pairs[:1], cut, 20), first(pairs[1:], cut, 20), strict=True):
        black = (one.guides[0, :3] <= 0.04).all(0)
        assert black.sum() == 512
        torch.testing.assert_close(one.guides, double.guides)
        torch.testing.assert_close(one.color, double.color)
        ratio = double.target / one.target  # half where it is the input that is twice as bright
        torch.testing.assert_close(ratio, ratio.mean().log2().round().exp2().expand_as(ratio))
        assert ratio.mean() != 1


def test_input_target_and_guides_are_turned_alike() -> None:
    """With the albedo as both halves' color, the three stay the same picture whatever is done to them."""
    albedo = np.random.default_rng(0).uniform(0.1, 1, (32, 32, 3)).astype(np.float32)
    half = Frame({"color": albedo, "albedo": albedo})
    seen = set()
    cut = Cut(
        32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=0.0, mixing=0.0, guide_noise=0.0
    )
    for batch in first([small.pair([half, half])], cut, 20):
        scale = batch.color.mean() / batch.guides[:, :3].mean()
        torch.testing.assert_close(batch.color, batch.target)
        torch.testing.assert_close(batch.color, batch.guides[:, :3] * scale, rtol=1e-4, atol=1e-5)
        seen.add(tuple(batch.guides[0, :3, 0, 0].tolist()))
    assert len(seen) > 10  # of 24: 4 corners in 6 orders of the channels


def test_normals_keep_their_angles_and_length(noisy_frame: MakeFrame) -> None:
    pairs = [small.pair([noisy_frame(i, size=(32, 32)) for i in (1, 2)])]
    before = pairs[0].renders[0]["normal"].reshape(-1, 3)
    for batch in first(
        pairs,
        Cut(
            32, 1, seed=1, guide_dropout=0.0, guide_blindness=0.0, repainting=0.0, mixing=0.0, guide_noise=0.0
        ),
        5,
    ):
        after = batch.guides[0, 3:6].flatten(1).numpy()
        np.testing.assert_allclose(np.linalg.norm(after, axis=0), 1, atol=1e-3)
        expected, angles = np.unique((before @ before.T).round(2)), np.unique((after.T @ after).round(2))
        np.testing.assert_allclose(angles, expected, atol=0.02)


def test_pair_smaller_than_a_crop_is_an_error_that_names_it() -> None:
    pairs = [small.pair([flat(1), flat(2)]), small.pair([flat(1, size=(31, 64))] * 2, scene="narrow")]
    with pytest.raises(TrainingError, match=r"narrow\.0001: \(31, 64\) is smaller than a crop; use --crop"):
        next(dataset.batches(pairs, Cut(32, 1, seed=1)))


# ---- split ----


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("scenes", [2, 3, 10, 21])
def test_split_is_disjoint_by_scene_and_loses_no_pair(share: float, scenes: int) -> None:
    pairs = [small.pair([flat(1), flat(2)], scene=f"scene{i % scenes}") for i in range(2 * scenes)]

    trained, held_out = dataset.split(pairs, share)

    assert not {p.scene for p in trained} & {p.scene for p in held_out}
    assert len(trained) + len(held_out) == len(pairs)
    assert len(trained) > 0
    assert len({p.scene for p in held_out}) == min(max(round(share * scenes), 1), scenes - 1)


def test_one_scene_or_no_share_holds_nothing_out() -> None:
    pairs = [small.pair([flat(1), flat(2)], scene="one")] * 3
    assert dataset.split(pairs, 0.5) == (pairs, [])
    pairs = [small.pair([flat(1), flat(2)], scene=f"scene{i}") for i in range(4)]
    assert dataset.split(pairs, 0.0) == (pairs, [])


# ---- load ----


def test_sound_pairs_are_loaded_from_all_folders_below(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    small.save_pairs(tmp_path / "deep" / "er", noisy_frame, 2)
    small.save_pair(tmp_path, "kitchen.0007", [noisy_frame(8), noisy_frame(9)])
    told: list[tuple[int, int]] = []

    pairs, left_out = dataset.load(tmp_path, progress=lambda done, total: told.append((done, total)))

    assert sorted(pair.name for pair in pairs) == ["deep/er/place0", "deep/er/place1", "kitchen.0007"]
    assert left_out == []
    assert told == [(1, 3), (2, 3), (3, 3)]
    kitchen = next(pair for pair in pairs if pair.name == "kitchen.0007")
    np.testing.assert_array_equal(kitchen.renders[1]["color"], noisy_frame(9).color)
    assert kitchen.renders[0].keys() == {"color", "albedo", "normal", "depth"}


def test_spp_and_filter_are_those_that_the_renderer_declared(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    said = {"mcdenoise.spp": 16, "mcdenoise.filter": "box"}
    small.save_pair(tmp_path, "said", [Frame(noisy_frame(i).planes, said) for i in (1, 2)])
    small.save_pair(tmp_path, "silent", [noisy_frame(3), noisy_frame(4)])
    pairs, _ = dataset.load(tmp_path)
    assert {pair.name: (pair.spps, pair.filter) for pair in pairs} == {
        "said": ((16, 16), "box"),
        "silent": ((0, 0), "unknown"),
    }


def test_further_renders_are_loaded_up_to_the_first_that_is_missing(
    tmp_path: Path, noisy_frame: MakeFrame
) -> None:
    small.save_pair(tmp_path, "hall", [noisy_frame(1), noisy_frame(2)])
    for letter, number in (("c", 3), ("d", 4), ("f", 5)):
        exr.write_frame(
            tmp_path / f"hall.{letter}.exr",
            Frame(noisy_frame(number).planes, {"mcdenoise.spp": 32, "mcdenoise.seed": number}),
        )
    (pair,), _ = dataset.load(tmp_path)
    assert pair.spps == (0, 0, 32, 32)
    np.testing.assert_array_equal(pair.renders[3]["color"], noisy_frame(4).color)


def test_scene_is_that_of_the_attribute_or_else_of_the_name(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    halves = [Frame(noisy_frame(i).planes, {"mcdenoise.scene": "Bath"}) for i in (1, 2)]
    small.save_pair(tmp_path, "view.0001", halves)
    for letter, half in zip("ab", (noisy_frame(3), noisy_frame(4)), strict=True):
        exr.write_frame(tmp_path / f"hall.0002.{letter}.exr", half)
    pairs, _ = dataset.load(tmp_path)
    assert sorted(pair.scene for pair in pairs) == ["Bath", "hall"]


def equal_seeds(folder: Path, make: MakeFrame) -> None:
    small.save_pair(folder, "bad", [make(1), make(2)], seeds=(7, 7))


def equal_pixels(folder: Path, make: MakeFrame) -> None:
    small.save_pair(folder, "bad", [make(1), make(1)])


def no_second_half(folder: Path, make: MakeFrame) -> None:
    first = small.save_pair(folder, "bad", [make(1), make(2)])
    first.with_name("bad.b.exr").unlink()


def different_sizes(folder: Path, make: MakeFrame) -> None:
    small.save_pair(folder, "bad", [make(1), make(2, size=(24, 33))])


def broken_pixel(value: float, half: int) -> Callable[[Path, MakeFrame], None]:
    def save(folder: Path, make: MakeFrame) -> None:
        frames = [make(1), make(2)]
        color = frames[half].color.copy()
        color[3, 4, 1] = value
        frames[half] = Frame({**frames[half].planes, "color": color})
        small.save_pair(folder, "bad", frames)

    return save


def damaged(folder: Path, make: MakeFrame) -> None:
    first = small.save_pair(folder, "bad", [make(1), make(2)])
    first.write_bytes(first.read_bytes()[:-500])


def third_like_the_first(folder: Path, make: MakeFrame) -> None:
    small.save_pair(folder, "bad", [make(1), make(2)])
    exr.write_frame(folder / "bad.c.exr", make(1))


def other_planes(folder: Path, make: MakeFrame) -> None:
    color_only = Frame({"color": make(2).color})
    small.save_pair(folder, "bad", [make(1), color_only])


def spp_in_words(folder: Path, make: MakeFrame) -> None:
    small.save_pair(folder, "bad", [Frame(make(i).planes, {"mcdenoise.spp": "few"}) for i in (1, 2)])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (equal_seeds, "bad.a.exr: a and b: have the same seed"),
        (equal_pixels, "bad.a.exr: a and b: have the same pixels"),
        (no_second_half, "bad.b.exr: no such file"),
        (different_sizes, "bad.a.exr: its halves differ in data window: (0, 0, 31, 23) and (0, 0, 32, 23)"),
        (broken_pixel(np.nan, 0), "bad.a.exr: a: NaN or Inf in color"),
        (broken_pixel(np.inf, 1), "bad.a.exr: b: NaN or Inf in color"),
        (damaged, "bad.a.exr: damaged or cut off"),
        (third_like_the_first, "bad.a.exr: a and c: have the same pixels"),
        (other_planes, "bad.a.exr: its halves hold different planes: albedo, depth, normal"),
        (spp_in_words, "bad.a.exr: a: its mcdenoise.spp is no number but 'few'"),
    ],
    ids=["seeds", "pixels", "no b", "sizes", "NaN in a", "Inf in b", "damaged", "c", "planes", "spp"],
)
def test_bad_pair_is_listed_and_left_out(
    tmp_path: Path, noisy_frame: MakeFrame, make: Callable[[Path, MakeFrame], None], said: str
) -> None:
    small.save_pair(tmp_path, "good", [noisy_frame(3), noisy_frame(4)])
    make(tmp_path, noisy_frame)

    pairs, left_out = dataset.load(tmp_path)

    assert [pair.name for pair in pairs] == ["good"]
    assert len(left_out) == 1
    assert left_out[0].startswith(f"{tmp_path}/{said}")


def test_folder_of_bad_pairs_only_is_an_error_that_says_what_is_wrong(
    tmp_path: Path, noisy_frame: MakeFrame
) -> None:
    equal_seeds(tmp_path, noisy_frame)
    with pytest.raises(
        TrainingError, match=r"no pair to train on; .*bad\.a\.exr: a and b: have the same seed"
    ):
        dataset.load(tmp_path)


def test_folder_that_is_empty_or_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no pair to train on; no NAME\.a\.exr there"):
        dataset.load(tmp_path)
    with pytest.raises(TrainingError, match="nowhere: no such folder; make pairs with: mcdenoise render"):
        dataset.load(tmp_path / "nowhere")
