"""Writes demo/compare.png: examples/frame.exr beside what the model made of it (demo/out.exr)."""

from pathlib import Path

import numpy as np
from PIL import Image

from mcdenoise import exr, metrics

ROOT = Path(__file__).parent.parent
GAP = 4


def main() -> None:
    """Both pictures in one exposure, noisy on the left."""
    noisy = exr.read_frame(ROOT / "examples" / "frame.exr").color
    clean = exr.read_frame(ROOT / "demo" / "out.exr").color
    exposure = metrics.exposure_for(clean)
    sides = [metrics.tone_map(image, exposure) for image in (noisy, clean)]
    gap = np.ones((noisy.shape[0], GAP, 3))
    picture = np.concatenate([sides[0], gap, sides[1]], axis=1)
    path = ROOT / "demo" / "compare.png"
    Image.fromarray(np.uint8(picture * 255 + 0.5)).save(path)
    print(f"noisy | denoised: {path}")


if __name__ == "__main__":
    main()
