"""The story: render noisy pairs, train on them alone, denoise one; a reference is only looked at to judge."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mcdenoise import Denoiser, exr, metrics
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame, Plane

pytestmark = [pytest.mark.slow, pytest.mark.render]

ROOM = Path(__file__).parent.parent / "examples" / "scenes" / "room.xml"
STEPS = 40


@dataclass(frozen=True)
class Story:
    """A noisy half of the room's own view, 4 spp, and two halves of its reference, 256 spp each."""

    folder: Path
    noisy: Frame
    reference: tuple[Plane, Plane]

    def train(self, steps: int) -> Frame:
        """The noisy half, denoised by a model that has learned from the noisy pairs for so many steps."""
        model = self.folder / f"{steps}.safetensors"
        words = ["train", str(self.folder / "pairs"), "-o", str(model), "--steps", str(steps), "--crop", "32",
                 "--batch", "2", "--network", "kpn", "--device", "cpu", "--seed", "1", "--quiet",
                 "--learning-rate", "1e-3"]  # fmt: skip
        assert main(words) == 0
        return Denoiser(model, device="cpu")(self.noisy)

    def error(self, frame: Frame) -> float:
        """The relative squared error."""
        return metrics.relmse(frame.color, self.reference[0], second_half=self.reference[1])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    noisy = _render(folder / "pairs", views=6, spp=4, seed=1)
    reference = _render(folder / "reference", views=1, spp=256, seed=2)
    return Story(folder, noisy[0], (reference[0].color, reference[1].color))


def _render(out: Path, *, views: int, spp: int, seed: int) -> list[Frame]:
    """Both halves of the first view."""
    words = ["render", str(ROOM), "-o", str(out), "--size", "48x48", "--filter", "box", "--quiet"]
    assert main([*words, "--views", str(views), "--spp", str(spp), "--seed", str(seed)]) == 0
    return [exr.read_frame(out / f"room.v000.{spp}spp.box.{half}.exr") for half in "ab"]


@pytest.fixture(scope="module")
def clean(story: Story) -> Frame:
    return story.train(STEPS)


def test_error_falls_at_least_2x_below_the_noisy_renders(story: Story, clean: Frame) -> None:
    assert story.error(clean) < story.error(story.noisy) / 2


def test_training_on_noise_alone_is_what_lowers_the_error(story: Story, clean: Frame) -> None:
    assert story.error(clean) < 0.75 * story.error(
        story.train(1)
    )  # an untrained kpn is a blur, and helps too


def test_the_pictures_mean_is_kept_within_a_tenth(story: Story, clean: Frame) -> None:
    mean = (story.reference[0] + story.reference[1]) / 2
    assert metrics.energy_ratio(clean.color, mean) == pytest.approx(1, abs=0.1)


def test_guides_and_size_come_out_as_they_went_in(story: Story, clean: Frame) -> None:
    assert clean.size == story.noisy.size
    for name in ("albedo", "normal", "depth"):
        assert (clean.planes[name] == story.noisy.planes[name]).all()
