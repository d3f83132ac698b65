"""Starts Mitsuba in the fastest of its variants that works on this machine."""

import ctypes
import logging
import os
import subprocess
import sys
from functools import cache
from typing import Any

from mcdenoise.errors import UsageError

log = logging.getLogger(__name__)

GPU, FAST, SLOW = "cuda_ad_rgb", "llvm_ad_rgb", "scalar_rgb"
VARIABLE = "MCDENOISE_MITSUBA_VARIANT"
# A working LLVM answers in a few seconds; one that hangs is as good as none.
PROBE_SECONDS = 120
# NVIDIA's driver, which brings CUDA and OptiX.
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

# What is said where a variant doesn't work.
CURES = {
    GPU: f"{GPU} doesn't work here in spite of an NVIDIA driver, using the CPU; cure in a container: "
    f"NVIDIA_DRIVER_CAPABILITIES=all, which brings OptiX; to use the CPU in silence: {VARIABLE}={FAST}",
    FAST: f"{FAST} doesn't work here, using {SLOW} (about 3x slower); cure: install LLVM 16 or newer "
    "(Debian 12: apt-get install libllvm19) or point DRJIT_LIBLLVM_PATH at its libLLVM",
}

# Run with the variant as its argument.
_PROBE = """
import sys
import mitsuba as mi
mi.set_variant(sys.argv[1])
scene = mi.load_dict({'type': 'scene', 'e': {'type': 'constant'}, 's': {'type': 'sphere',
    'center': [0, 0, 5]}, 'i': {'type': 'path'}, 'c': {'type': 'perspective', 'f': {'type': 'hdrfilm',
    'width': 4, 'height': 4}}})
assert float(mi.TensorXf(mi.render(scene, spp=1)).array[0]) > 0
"""


def start() -> Any:
    """Import mitsuba and set the variant, if none is set.

    Raises:
        UsageError: mitsuba isn't installed, or MCDENOISE_MITSUBA_VARIANT names a variant that it hasn't.
    """
    try:
        import mitsuba
    except ImportError as error:
        raise UsageError(
            f"mitsuba: can't be imported ({error}); install it with: pip install 'mcdenoise[render]'"
        ) from error
    if mitsuba.variant() is None:
        _set(mitsuba, variant())
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


@cache
def variant() -> str:
    """The variant asked for by MCDENOISE_MITSUBA_VARIANT; else the first of GPU, LLVM, scalar that works."""
    asked = os.environ.get(VARIABLE)
    if asked:
        return asked
    for name in (GPU, FAST) if _has_gpu_driver() else (FAST,):
        if _works(name):
            return name
        log.warning("mitsuba: %s", CURES[name])
    return SLOW


def _has_gpu_driver() -> bool:
    """Whether a probe of the GPU is worth its seconds: a driver loads here (which touches no GPU yet), and
    CUDA_VISIBLE_DEVICES doesn't hide all GPUs."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def _works(name: str) -> bool:
    """Whether a child process survives a render: an unusable LLVM aborts it (seen with LLVM 14 and 15)."""
    try:
        probe = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _PROBE, name], capture_output=True, check=False, timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _set(mitsuba: Any, name: str) -> None:
    if name not in mitsuba.variants():
        raise UsageError(f"{VARIABLE}={name}: no such variant; there is: {', '.join(mitsuba.variants())}")
    mitsuba.set_variant(name)
