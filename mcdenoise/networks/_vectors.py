"""Sixteen neighbouring pixels of a row at a time, for compiled loops: LLVM's vectors as a type of numba's.

A filter keeps a pixel's features and sums in the processor's registers; what LLVM vectorises by itself goes
through memory at each step (docs/decisions/0023). Arrays of int16 hold bfloat16, the upper half of float32.
"""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from mcdenoise.networks._compiled import of_pixels

LANES = 16
_LANE = ir.FloatType()
_VECTOR = ir.VectorType(_LANE, LANES)
_WORDS = ir.VectorType(ir.IntType(32), LANES)
_EVEN = [lane // 2 * 2 for lane in range(LANES)]
_ODD = [lane // 2 * 2 + 1 for lane in range(LANES)]


class _Vector(types.Type):
    pass


_vector = _Vector("Vector")


@register_model(_Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _number(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A vector; a number becomes sixteen of it."""
    if kind == _vector:
        return value
    one = context.cast(builder, value, kind, types.float32)
    lanes = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), one, ir.IntType(32)(0))
    return builder.shuffle_vector(lanes, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_WORDS, [0] * LANES))


def _define(operation: Any, instruction: str) -> None:
    @infer_global(operation)
    class _Typed(AbstractTemplate):
        def generic(self, given: Any, _: Any) -> Any:
            if len(given) == 2 and all(kind == _vector or isinstance(kind, types.Number) for kind in given):
                return signature(_vector, *given) if _vector in given else None
            return None

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        both = [_number(context, builder, *one) for one in zip(signature.args, given, strict=True)]
        return getattr(builder, instruction)(*both, flags=("fast",))

    for kinds in ((_vector, _vector), (_vector, types.Number), (types.Number, _vector)):
        lower_builtin(operation, *kinds)(lower)


for _operation, _instruction in (
    (operator.add, "fadd"), (operator.iadd, "fadd"), (operator.sub, "fsub"), (operator.isub, "fsub"),
    (operator.mul, "fmul"), (operator.imul, "fmul"), (operator.truediv, "fdiv"), (operator.itruediv, "fdiv"),
):  # fmt: skip
    _define(_operation, _instruction)


def _intrinsic(function: Callable[..., Any]) -> Any:
    return intrinsic(function)


def _function(lower: Callable[..., Any]) -> Any:
    """An intrinsic of vectors or numbers, as many as `lower` takes after the builder, that gives a vector."""
    count = len(inspect.signature(lower).parameters) - 1

    def lowered(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return lower(builder, *(_number(context, builder, *one)
                                for one in zip(signature.args, given, strict=True)))  # fmt: skip

    def one(_: Any, a: Any) -> Any:
        return _vector(a), lowered

    def two(_: Any, a: Any, b: Any) -> Any:
        return _vector(a, b), lowered

    def four(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return _vector(a, b, c, d), lowered

    return intrinsic({1: one, 2: two, 4: four}[count])


@_function
def sixteen(_: Any, value: Any) -> Any:
    """The same number sixteen times."""
    return value


@_function
def least(builder: Any, one: Any, other: Any) -> Any:
    """The smaller."""
    return builder.select(builder.fcmp_ordered("<", one, other, flags=("fast",)), one, other)


@_function
def most(builder: Any, one: Any, other: Any) -> Any:
    """The larger."""
    return builder.select(builder.fcmp_ordered(">", one, other, flags=("fast",)), one, other)


@_function
def if_less(builder: Any, one: Any, other: Any, then: Any, otherwise: Any) -> Any:
    """`then` where `one` is less than the other."""
    return builder.select(builder.fcmp_ordered("<", one, other, flags=("fast",)), then, otherwise)


def _called(name: str) -> Callable[..., Any]:
    def lower(builder: Any, value: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        return builder.call(
            cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v16f32"), [value]
        )

    return lower


floor, nearest, root, magnitude = (_function(_called(name)) for name in ("floor", "rint", "sqrt", "fabs"))


@_function
def pairs(builder: Any, value: Any) -> Any:
    """The sum of each two neighbours, at both of them."""
    even, odd = (builder.shuffle_vector(value, value, ir.Constant(_WORDS, at)) for at in (_EVEN, _ODD))
    return builder.fadd(even, odd, flags=("fast",))


@_function
def _two_to(builder: Any, number: Any) -> Any:
    """2 to a whole number."""
    exponent = builder.add(builder.fptosi(number, _WORDS), ir.Constant(_WORDS, [127] * LANES))
    return builder.bitcast(builder.shl(exponent, ir.Constant(_WORDS, [23] * LANES)), _VECTOR)


@_function
def _times_two_to(builder: Any, value: Any, number: Any) -> Any:
    """A value about 1 times 2 to a whole number."""
    exponent = builder.shl(builder.fptosi(number, _WORDS), ir.Constant(_WORDS, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(value, _WORDS), exponent), _VECTOR)


def _exponent(builder: Any, value: Any) -> Any:
    """Such that the value by 2 to it is between the roots of 1/2 and of 2."""
    half = ir.Constant(_WORDS, [0x3F3504F3] * LANES)
    return builder.ashr(builder.sub(builder.bitcast(value, _WORDS), half), ir.Constant(_WORDS, [23] * LANES))


@_function
def _order(builder: Any, value: Any) -> Any:
    return builder.sitofp(_exponent(builder, value), _VECTOR)


@_function
def _mantissa(builder: Any, value: Any) -> Any:
    shifted = builder.shl(_exponent(builder, value), ir.Constant(_WORDS, [23] * LANES))
    return builder.bitcast(builder.sub(builder.bitcast(value, _WORDS), shifted), _VECTOR)


def _pointer(context: Any, builder: Any, kinds: Any, count: int, array: Any, index: Any) -> Any:
    """To so many elements of an array, from `index` on. By its strides: products of its shape LLVM would make
    anew for each."""
    kind, of_index = kinds[:2]
    made = context.make_array(kind)(context, builder, array)
    word = ir.IntType(64)
    place = builder.ptrtoint(made.data, word)
    strides = cgutils.unpack_tuple(builder, made.strides)
    strides[-1] = word(kind.dtype.bitwidth // 8)
    for number, of, stride in zip(cgutils.unpack_tuple(builder, index), of_index, strides, strict=True):
        step = builder.mul(context.cast(builder, number, of, types.intp), stride)
        place = builder.add(place, step)
    element = ir.IntType(16) if _is_short(kind) else _LANE
    return builder.inttoptr(place, ir.VectorType(element, count).as_pointer())


def _is_short(kind: Any) -> bool:
    return bool(kind.dtype == types.int16)


def _loaded(context: Any, builder: Any, kinds: Any, count: int, array: Any, index: Any) -> Any:
    kind = kinds[0]
    found = builder.load(
        _pointer(context, builder, kinds, count, array, index), align=kind.dtype.bitwidth // 8
    )
    if not _is_short(kind):
        return found
    words = ir.VectorType(ir.IntType(32), count)
    upper = builder.shl(builder.zext(found, words), ir.Constant(words, [16] * count))
    return builder.bitcast(upper, ir.VectorType(_LANE, count))


@_intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """Sixteen pixels from `index` on."""

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _loaded(context, builder, signature.args, LANES, *given)

    return _vector(array, index), lower


@_intrinsic
def doubled(_: Any, array: Any, index: Any) -> Any:
    """Eight pixels from `index` on, each twice: what two children of a coarse pixel see of it."""

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        half = _loaded(context, builder, signature.args, LANES // 2, *given)
        return builder.shuffle_vector(half, half, ir.Constant(_WORDS, [lane // 2 for lane in range(LANES)]))

    return _vector(array, index), lower


@_intrinsic
def alternate(_: Any, array: Any, one: Any, other: Any) -> Any:
    """Eight pixels from `one` on and eight from `other` on, taking turns, as in `pixel_shuffle`."""

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, of_one, of_other = signature.args
        left = _loaded(context, builder, (kind, of_one), LANES // 2, *given[:2])
        right = _loaded(context, builder, (kind, of_other), LANES // 2, *given[::2])
        turns = [lane // 2 + lane % 2 * LANES // 2 for lane in range(LANES)]
        return builder.shuffle_vector(left, right, ir.Constant(_WORDS, turns))

    return _vector(array, one, other), lower


def _rounded(builder: Any, value: Any) -> Any:
    """To the nearest bfloat16, ties to even."""
    words, sixteen_bits = builder.bitcast(value, _WORDS), ir.Constant(_WORDS, [16] * LANES)
    last = builder.and_(builder.lshr(words, sixteen_bits), ir.Constant(_WORDS, [1] * LANES))
    up = builder.add(words, builder.add(last, ir.Constant(_WORDS, [0x7FFF] * LANES)))
    return builder.trunc(builder.lshr(up, sixteen_bits), ir.VectorType(ir.IntType(16), LANES))


@_intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Sixteen pixels from `index` on."""

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = signature.args[0]
        pointer = _pointer(context, builder, signature.args, LANES, *given[:2])
        pixels = _number(context, builder, signature.args[2], given[2])
        pixels = _rounded(builder, pixels) if _is_short(kind) else pixels
        builder.store(pixels, pointer, align=kind.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, value), lower


@_intrinsic
def add_pairs(_: Any, array: Any, index: Any, value: Any) -> Any:
    """A quarter of the sum of each two neighbours is added to eight pixels from `index` on."""

    def lower(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature.args, LANES // 2, *given[:2])
        words = ir.VectorType(ir.IntType(32), LANES // 2)
        even, odd = (
            builder.shuffle_vector(given[2], given[2], ir.Constant(words, at[::2])) for at in (_EVEN, _ODD)
        )
        quarter = ir.Constant(ir.VectorType(_LANE, LANES // 2), [0.25] * (LANES // 2))
        mean = builder.fmul(builder.fadd(even, odd, flags=("fast",)), quarter, flags=("fast",))
        builder.store(builder.fadd(builder.load(pointer, align=4), mean, flags=("fast",)), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, index, value), lower


ONE, TWO, HALF = np.float32(1), np.float32(2), np.float32(0.5)
LOG2_E, LN_2 = np.float32(1 / np.log(2)), np.float32(np.log(2))
# e to it is a normal number, as e to minus it.
FARTHEST = np.float32(80)


@of_pixels
def _less_one(part: Any) -> Any:
    """e to a value between the logarithms of the roots of 1/2 and of 2, less 1, by its series."""
    rest = np.float32(1 / 120) + part * (np.float32(1 / 720) + part * np.float32(1 / 5040))
    return part + part * part * (
        HALF + part * (np.float32(1 / 6) + part * (np.float32(1 / 24) + part * rest))
    )


@of_pixels
def exp(value: Any) -> Any:
    """e to a value, which counts from -80 to 80."""
    value = least(most(value, -FARTHEST), FARTHEST)
    number = floor(value * LOG2_E + HALF)
    return _two_to(number) * (_less_one(value - number * LN_2) + ONE)


@of_pixels
def weight_of(logit: Any) -> Any:
    """e to a value that isn't above 0 and counts from -80 on, to 1 in 400,000.

    Source: 2 to a whole number, times a polynomial of least relative error for what is left.
    """
    order = most(logit, -FARTHEST) * LOG2_E
    number = nearest(order)
    part = order - number
    series = np.float32(0.24024745) + part * (np.float32(0.05591786) + part * np.float32(0.0095701))
    return _times_two_to(np.float32(0.99999926) + part * (np.float32(0.69312181) + part * series), number)


@of_pixels
def expm1(value: Any) -> Any:
    """e to a value, less 1; exact near 0."""
    value = least(most(value, -FARTHEST), FARTHEST)
    number = floor(value * LOG2_E + HALF)
    scale = _two_to(number)
    return scale * _less_one(value - number * LN_2) + (scale - ONE)


@of_pixels
def log1p(value: Any) -> Any:
    """The logarithm of 1 + a value that isn't below 0; exact near 0.

    Source: the series of Cephes' logf.
    """
    whole = value + ONE
    order = _order(whole)
    part = if_less(whole, np.float32(1.4), value, _mantissa(whole) - ONE)
    series = np.float32(7.0376836292e-2) * part - np.float32(1.1514610310e-1)
    series = series * part + np.float32(1.1676998740e-1)
    series = series * part - np.float32(1.2420140846e-1)
    series = series * part + np.float32(1.4249322787e-1)
    series = series * part - np.float32(1.6668057665e-1)
    series = series * part + np.float32(2.0000714765e-1)
    series = series * part - np.float32(2.4999993993e-1)
    series = series * part + np.float32(3.3333331174e-1)
    square = part * part
    return order * LN_2 + (part - HALF * square + square * part * series)


@of_pixels
def tanh(value: Any) -> Any:
    """The hyperbolic tangent."""
    e = exp(-TWO * magnitude(value))
    size = (ONE - e) / (ONE + e)
    return if_less(value, np.float32(0), np.float32(0) - size, size)
