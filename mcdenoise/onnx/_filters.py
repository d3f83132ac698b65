"""The operators of `networks._symbols` in ONNX: loops over neighbours, as `networks._loops` has them.

onnxscript reads these functions' source and makes nodes of it; a global in capitals becomes a constant. One
picture at a time, edges repeated. A mean under a softmax is summed in one pass that keeps the largest logit
so far, so that there is no array of weights (Milakov & Gimelshein 2018, "Online normalizer calculation").

A loop carries one array only: onnxscript 0.7.2 mixes several up, by the order of a set.
"""
# mypy: ignore-errors

import numpy as np
from onnx import numpy_helper
from onnxscript import FLOAT, script
from onnxscript import opset18 as op
from onnxscript.values import Opset

from mcdenoise import affinity
from mcdenoise.networks._loops import KINDS

OURS = Opset("mcdenoise", 1)


def _tensor(values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, kind))


def _of_window(values):
    """One float for each of 5x5 places."""
    return _tensor(np.array(values, np.float32).reshape(25, 1, 1, 1, 1))


LOWEST, HIGHEST = -1e30, 1e30
KIND = _tensor(KINDS, np.int64)
CARE = _tensor(np.array(affinity.CARE)[list(KINDS[: affinity.CHANNELS])].reshape(1, -1, 1, 1))
KIN = _tensor(affinity.KIN)
_INNER = [tap // 5 in (1, 2, 3) and tap % 5 in (1, 2, 3) for tap in range(25)]
INNER = _of_window(_INNER)
# Added to squared differences that don't count: those to a pixel itself, and beyond 3x3.
BARRED = _of_window([1e30 * (tap == 12 or not inner) for tap, inner in enumerate(_INNER)])


@script(OURS, default_opset=op)
def filtered(image: FLOAT, logits: FLOAT, features: FLOAT, strength: FLOAT) -> FLOAT:
    size = op.Shape(image, start=2, end=4)
    one = op.Slice(image, [0], [1], [1]) * 0.0 + 1.0
    images = op.Pad(op.Concat(one, image, axis=1), [0, 0, 2, 2, 0, 0, 2, 2], mode="edge")
    others = op.Pad(features, [0, 0, 2, 2, 0, 0, 2, 2], mode="edge")
    strengths = op.Gather(strength, op.Constant(value=KIND), axis=1)
    # The largest logit, the sum of weights, those of channels times weights.
    state = op.Concat(one * LOWEST, one * 0.0, image * 0.0, axis=1)
    for tap in range(25):
        place = op.Concat(op.Reshape(op.Div(tap, 5), [1]), op.Reshape(op.Mod(tap, 5), [1]), axis=0)
        until = place + size
        apart = op.Slice(others, place, until, [2, 3]) - features
        strange = op.ReduceSum(apart * apart * strengths, [1])
        logit = op.Gather(logits, op.Reshape(tap, [1]), axis=1) - strange
        largest = op.Slice(state, [0], [1], [1])
        larger = op.Max(largest, logit)
        before = op.Slice(state, [1], [99], [1]) * op.Exp(largest - larger)
        sums = before + op.Exp(logit - larger) * op.Slice(images, place, until, [2, 3])
        state = op.Concat(larger, sums, axis=1)
    return op.Slice(state, [2], [99], [1]) / op.Slice(state, [1], [2], [1])


@script(OURS, default_opset=op)
def upsampled(coarse: FLOAT, logits: FLOAT, fine: FLOAT, features: FLOAT, strength: FLOAT) -> FLOAT:
    size = op.Shape(coarse, start=2, end=4)
    one = op.Slice(coarse, [0], [1], [1]) * 0.0 + 1.0
    images = op.Pad(op.Concat(one, coarse, axis=1), [0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    others = op.Pad(features, [0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    strengths = op.Gather(strength, op.Constant(value=KIND), axis=1)
    # The four children of each coarse pixel take the place of the batch.
    children = op.Reshape(op.SpaceToDepth(fine, blocksize=2), op.Concat([4, 10], size, axis=0))
    of_children = op.Reshape(logits, op.Concat([4, 9], size, axis=0))
    none = op.Slice(of_children, [0], [1], [1]) * 0.0
    # The sum of kinships, and what `filtered` has.
    state = op.Concat(none, none + LOWEST, none, none * coarse, axis=1)
    for tap in range(9):
        place = op.Concat(op.Reshape(op.Div(tap, 3), [1]), op.Reshape(op.Mod(tap, 3), [1]), axis=0)
        until = place + size
        apart = op.Slice(others, place, until, [2, 3]) - children
        strange = op.ReduceSum(apart * apart * strengths, [1])
        kinship = op.Slice(state, [0], [1], [1]) + op.Exp(0.0 - strange)
        logit = op.Gather(of_children, op.Reshape(tap, [1]), axis=1) - strange
        largest = op.Slice(state, [1], [2], [1])
        larger = op.Max(largest, logit)
        before = op.Slice(state, [2], [99], [1]) * op.Exp(largest - larger)
        sums = before + op.Exp(logit - larger) * op.Slice(images, place, until, [2, 3])
        state = op.Concat(kinship, larger, sums, axis=1)
    picture = op.Slice(state, [3], [99], [1]) / op.Slice(state, [2], [3], [1])
    kinships = op.Slice(state, [0], [1], [1]) / 9.0
    both = op.Reshape(op.Concat(picture, kinships, axis=1), op.Concat([1, -1], size, axis=0))
    return op.DepthToSpace(both, blocksize=2)


@script(OURS, default_opset=op)
def kin(tone: FLOAT, guides: FLOAT) -> FLOAT:
    size = op.Shape(tone, start=2, end=4)
    one = op.Slice(tone, [0], [1], [1]) * 0.0 + 1.0
    terms = op.Pad(op.Concat(one, tone, axis=1), [0, 0, 2, 2, 0, 0, 2, 2], mode="edge")
    features = op.Slice(guides, [0], [7], [1])
    others = op.Pad(features, [0, 0, 2, 2, 0, 0, 2, 2], mode="edge")
    # Of kin within 5x5 their number, how far their tones are from the own, and squares of that; within
    # 3x3 their number and tones; the least unlike and the second.
    none = op.Concat(one, tone, tone, one, tone, axis=1) * 0.0
    state = op.Concat(none, one * HIGHEST, one * HIGHEST, axis=1)
    for tap in range(25):
        place = op.Concat(op.Reshape(op.Div(tap, 5), [1]), op.Reshape(op.Mod(tap, 5), [1]), axis=0)
        until = place + size
        apart = op.Slice(others, place, until, [2, 3]) - features
        strange = op.ReduceSum(apart * apart * op.Constant(value=CARE), [1])
        is_kin = op.Cast(op.Less(strange, op.Constant(value=KIN)), to=1)
        term = op.Slice(terms, place, until, [2, 3])
        near = term * op.Gather(op.Constant(value=INNER), tap, axis=0)
        change = op.Slice(term, [1], [4], [1]) - tone
        parts = op.Concat(op.Slice(term, [0], [1], [1]), change, change * change, near, axis=1)
        sums = op.Slice(state, [0], [11], [1]) + is_kin * parts
        unlike = op.ReduceMean(change * change, [1]) + op.Gather(op.Constant(value=BARRED), tap, axis=0)
        least = op.Slice(state, [11], [12], [1])
        second = op.Min(op.Slice(state, [12], [13], [1]), op.Max(least, unlike))
        state = op.Concat(sums, op.Min(least, unlike), second, axis=1)
    number = op.Slice(state, [0], [1], [1])
    near = op.Slice(state, [7], [8], [1])
    middle = op.Slice(state, [1], [4], [1]) / number
    spread = op.Max(op.Slice(state, [4], [7], [1]) / number - middle * middle, 0.0)
    mean = op.Slice(state, [8], [11], [1]) / near
    return op.Concat(mean, near, op.ReduceMean(spread, [1]), number, op.Slice(state, [12], [13], [1]), axis=1)
