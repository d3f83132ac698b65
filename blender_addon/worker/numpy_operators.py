# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators that `mcdenoise export` writes, in numpy, by the definitions of ONNX's opset 18."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Numbers that a convolution gathers at a time: 1 MiB.
BAND = 1 << 18


def _conv(
    attributes: Mapping[str, Any], image: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    """Stride 1; one product of matrices for each band of rows, so that what it gathers stays in the cache."""
    outputs, inputs, high, wide = weight.shape
    top, left, bottom, right = attributes.get("pads") or (0, 0, 0, 0)
    padded = np.pad(image[0], [(0, 0), (top, bottom), (left, right)])
    # inputs, rows, columns, places in the kernel -> inputs, places, rows, columns
    seen = np.lib.stride_tricks.sliding_window_view(padded, (high, wide), (1, 2)).transpose(0, 3, 4, 1, 2)
    height, width = seen.shape[3:]
    result = np.empty((outputs, height, width), np.float32)
    rows = max(BAND // (inputs * high * wide * width), 1)
    for first in range(0, height, rows):
        band = seen[..., first : first + rows, :].reshape(inputs * high * wide, -1)
        product = weight.reshape(outputs, -1) @ band
        if bias is not None:
            product += bias[:, None]
        result[:, first : first + rows] = product.reshape(outputs, -1, width)
    return result[None]


def _pooled(
    join: Callable[..., np.ndarray], attributes: Mapping[str, Any], image: np.ndarray, empty: float
) -> np.ndarray:
    """Windows joined along each axis in turn, `empty` beyond the picture."""
    pads, strides = attributes.get("pads") or [0] * 4, attributes.get("strides") or [1, 1]
    result = np.pad(image, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])], constant_values=empty)
    for axis, size, step in zip((2, 3), attributes["kernel_shape"], strides, strict=True):
        count = (result.shape[axis] - size) // step + 1
        views = [np.moveaxis(result, axis, 0)[at : at + (count - 1) * step + 1 : step] for at in range(size)]
        joined = views[0].copy()
        for view in views[1:]:
            join(joined, view, out=joined)
        result = np.moveaxis(joined, 0, axis)
    return result


def _average_pool(attributes: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    total = _pooled(np.add, attributes, image, 0)
    if attributes.get("count_include_pad") or not any(attributes.get("pads") or []):
        return total / np.float32(np.prod(attributes["kernel_shape"]))
    return total / _pooled(np.add, attributes, np.ones_like(image[:1, :1]), 0)


def _pad(
    attributes: Mapping[str, Any], image: np.ndarray, pads: np.ndarray, value: Any = 0, *_: Any
) -> np.ndarray:
    widths = np.reshape(pads, (2, -1)).T
    mode = attributes.get("mode", "constant")
    if mode in ("edge", "reflect"):
        return np.pad(image, widths, mode=mode)
    return np.pad(image, widths, constant_values=0 if value is None else value)


def _slice(
    _: Any, array: np.ndarray, starts: Any, ends: Any, axes: Any = None, steps: Any = None
) -> np.ndarray:
    where = [slice(None)] * array.ndim
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where[axis] = slice(int(start), int(min(end, array.shape[axis])), int(step))
    return array[tuple(where)]


def _resize(_: Any, image: np.ndarray, __: Any, scales: Any, sizes: Any = None) -> np.ndarray:
    """To the nearest, a whole number of times as large, which is how networks go back up."""
    wanted = np.array(image.shape) * scales if sizes is None else sizes
    for axis in (2, 3):
        image = np.repeat(image, round(float(wanted[axis]) / image.shape[axis]), axis)
    return image


def _depth_to_space(attributes: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    n, _, height, width = image.shape
    block = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "DCR":
        parts = image.reshape(n, block, block, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = image.reshape(n, -1, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, -1, height * block, width * block)


def _space_to_depth(attributes: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    n, channels, height, width = image.shape
    block = attributes["blocksize"]
    parts = image.reshape(n, channels, height // block, block, width // block, block)
    return parts.transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, height // block, width // block)


def _reduced(how: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def reduce(attributes: Mapping[str, Any], array: np.ndarray, axes: Any = None) -> np.ndarray:
        axes = attributes.get("axes") if axes is None else axes
        over = None if axes is None or not len(axes) else tuple(int(axis) for axis in axes)
        return how(array, axis=over, keepdims=bool(attributes.get("keepdims", 1)))

    return reduce


def _each(how: Callable[..., Any]) -> Callable[..., Any]:
    """An operator on elements, without attributes."""
    return lambda _, *arrays: how(*arrays)


def _folded(how: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """One of two or more."""
    return lambda _, first, *others: _fold(how, first, others)


def _fold(how: Callable[..., np.ndarray], first: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    for other in others:
        first = how(first, other)
    return first


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whole numbers are cut off towards zero; all of ours are positive."""
    return one // other if np.issubdtype(np.asarray(one).dtype, np.integer) else one / other


def _reshape(attributes: Mapping[str, Any], array: np.ndarray, shape: np.ndarray) -> np.ndarray:
    if not attributes.get("allowzero"):
        shape = [array.shape[i] if side == 0 else side for i, side in enumerate(shape)]
    return np.reshape(array, [int(side) for side in shape])


def _squeeze(_: Any, array: np.ndarray, axes: Any = None) -> np.ndarray:
    return np.squeeze(array, None if axes is None else tuple(int(axis) for axis in axes))


def _unsqueeze(_: Any, array: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.expand_dims(array, tuple(int(axis) for axis in axes))


def _split(attributes: Mapping[str, Any], array: np.ndarray, sizes: Any = None) -> list[np.ndarray]:
    axis = attributes.get("axis", 0)
    if sizes is None:
        return np.array_split(array, attributes["num_outputs"], axis)
    return np.split(array, np.cumsum(sizes)[:-1], axis)


def _shape(attributes: Mapping[str, Any], array: np.ndarray) -> np.ndarray:
    return np.array(array.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _constant(attributes: Mapping[str, Any]) -> Any:
    ((kind, value),) = attributes.items()
    return value if kind == "value" else np.array(value, np.float32 if "float" in kind else np.int64)


def _clip(_: Any, array: np.ndarray, low: Any = None, high: Any = None) -> np.ndarray:
    array = array if low is None else np.maximum(array, low)
    return array if high is None else np.minimum(array, high)


def _expand(_: Any, array: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return np.broadcast_to(array, np.broadcast_shapes(np.shape(array), tuple(int(side) for side in shape)))


def _leaky_relu(attributes: Mapping[str, Any], array: np.ndarray) -> np.ndarray:
    return np.maximum(array, np.float32(attributes.get("alpha", 0.01)) * array)


def _sigmoid(array: np.ndarray) -> np.ndarray:
    return np.float32(1) / (np.float32(1) + np.exp(-array))


def _softmax(attributes: Mapping[str, Any], array: np.ndarray) -> np.ndarray:
    axis = attributes.get("axis", -1)
    weights = np.exp(array - array.max(axis, keepdims=True))
    return weights / weights.sum(axis, keepdims=True)


TYPES = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}
OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": _each(np.abs),
    "Add": _each(np.add),
    "Div": _each(_divide),
    "Exp": _each(np.exp),
    "Greater": _each(np.greater),
    "Identity": _each(lambda array: array),
    "Less": _each(np.less),
    "Log": _each(np.log),
    "Mod": _each(np.mod),
    "Mul": _each(np.multiply),
    "Neg": _each(np.negative),
    "Not": _each(np.logical_not),
    "And": _each(np.logical_and),
    "Reciprocal": _each(lambda array: np.float32(1) / array),
    "Relu": _each(lambda array: np.maximum(array, 0)),
    "Sigmoid": _each(_sigmoid),
    "Sqrt": _each(np.sqrt),
    "Sub": _each(np.subtract),
    "Tanh": _each(np.tanh),
    "Where": _each(np.where),
    "Pow": _each(lambda a, b: np.power(a, b).astype(a.dtype)),
    "Max": _folded(np.maximum),
    "Min": _folded(np.minimum),
    "Sum": _folded(np.add),
    "ReduceMax": _reduced(np.max),
    "ReduceMean": _reduced(np.mean),
    "ReduceSum": _reduced(np.sum),
    "AveragePool": _average_pool,
    "MaxPool": lambda attributes, image: _pooled(np.maximum, attributes, image, -np.inf),
    "Cast": lambda attributes, array: np.asarray(array).astype(TYPES[attributes["to"]]),
    "CastLike": lambda _, array, like: np.asarray(array).astype(like.dtype),
    "Clip": _clip,
    "Concat": lambda attributes, *arrays: np.concatenate(arrays, attributes["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "ConstantOfShape": lambda attributes, shape: np.full(
        [int(s) for s in shape], attributes.get("value", np.zeros(1, np.float32))[0]
    ),
    "Gather": lambda attributes, array, places: np.take(array, places, attributes.get("axis", 0)),
    "LeakyRelu": _leaky_relu,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _softmax,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": lambda attributes, array: np.transpose(array, attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
# Elements for elements, which may be written over what they were made of.
IN_PLACE: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Div": np.divide,
    "Exp": np.exp,
    "Log": np.log,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
}
# Those whose results share no memory with what they were given.
APART = {
    *IN_PLACE,
    "AveragePool",
    "Concat",
    "Conv",
    "Gather",
    "LeakyRelu",
    "MaxPool",
    "Pad",
    "Pow",
    "ReduceSum",
}
