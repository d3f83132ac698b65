"""What every test gets: shapes checked while tests run, few threads, real files, a small noisy frame."""

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jaxtyping
import numpy as np
import pytest

# Before anything of ours is imported: from here on every annotated shape is checked at each call.
jaxtyping.install_import_hook(["mcdenoise", "renderers"], "beartype.beartype")
os.environ.setdefault("OMP_NUM_THREADS", "2")  # torch reads it on import; a test never needs more

from mcdenoise.frame import Frame, Plane  # noqa: E402 - after the hook, or its shapes go unchecked

SHARED = Path(__file__).parent.parent.parent / "shared"

# Why a test may be skipped all the same: what `make test-all` installs isn't among it.
NOT_INSTALLED = ("needs a Blender", "needs MCDENOISE_BLENDER", f"no {SHARED}", "no right to mount")
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails what is skipped, where `make test-all` says so."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    return _without_skip((yield))


def _without_skip(report: Report) -> Report:
    """With MCDENOISE_SKIPS=fail a skipped test is a failed one: its tools were installed."""
    if report.skipped and os.environ.get("MCDENOISE_SKIPS") == "fail" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(NOT_INSTALLED):
            report.outcome, report.longrepr = "failed", f"skipped, and mayn't be: {reason}"
    return report


@pytest.fixture(scope="session")
def shared_assets() -> Path:
    """The folder with scenes/NAME/, exr/CORPUS/ and hdri/ of real files, unpacked once into a cache."""
    unpack = SHARED / "unpack"
    if not unpack.exists():
        pytest.skip(f"no {unpack}: this test reads the real files that it lays out")
    told = subprocess.run([str(unpack)], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


@pytest.fixture(scope="session")
def noisy_frame() -> Callable[..., Frame]:
    """Makes a small frame of all planes whose color is a noisy render of the same clean picture.

    `noisy_frame(seed)` and `noisy_frame(other)` are the halves of a pair; `sigma=0` gives the clean one.
    """

    def make(seed: int, *, size: tuple[int, int] = (24, 32), sigma: float = 0.5) -> Frame:
        noise = np.random.default_rng(seed).lognormal(-(sigma**2) / 2, sigma, (*size, 3))
        planes = _clean_planes(size)
        return Frame({**planes, "color": (planes["color"] * noise).astype(np.float32)})

    return make


def _clean_planes(size: tuple[int, int]) -> dict[str, Plane]:
    y, x = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]), indexing="ij")
    inside = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1)[..., None]
    albedo = np.where(inside, (0.8, 0.3, 0.1), (0.2, 0.5, 0.7)) * np.ones((*size, 3))
    light = 0.1 + 2 * x[..., None] * (1 - y[..., None])
    normal = np.where(inside, (0.0, 0.6, 0.8), (0.0, 0.0, 1.0)) * np.ones((*size, 3))
    planes = {"color": albedo * light, "albedo": albedo, "normal": normal, "depth": 1 + y[..., None]}
    return {name: plane.astype(np.float32) for name, plane in planes.items()}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium without a window, driven by Playwright; the one of the system, none is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started, started.chromium.launch(executable_path=chromium) as found:
        yield found
