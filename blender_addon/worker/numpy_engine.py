# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a network's graph in plain numpy, where nothing else is installed.

The network is known from its file alone. Arrays go, or are written over, as soon as no later node needs them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import numpy_operators
from .errors import WorkError
from .onnx_file import Graph, Model, Node

Arrays = dict[str, Any]
OnStep = Callable[["Step", Sequence[Any]], None]
# What a number of a convolution's result takes beside one of other operators, and one of a loop's (measured
# at 400x400).
WORK_OF_CONV, WORK_OF_LOOP = 9, 55


class Engine:
    """See `engines.Engine`."""

    # What it sees at a time, a frame of 1920x1080: 1.8 GiB for the shipped model. Cut in tiles of 400,000
    # it would see 3.5 times as many pixels, since they overlap by the network's radius.
    pixels = 2_100_000

    def __init__(self, model: Model) -> None:
        self.name = f"numpy {np.__version__}"
        if unknown := sorted(_kinds(model.graph) - numpy_operators.OPERATORS.keys() - {"Loop"}):
            raise WorkError(
                f"{model.name}: needs {', '.join(unknown)}, unknown here; choose onnxruntime or external"
            )
        self._program = _program(model.graph)
        # How much work each step is: the same shares at any size.
        self._work: list[float] = []
        side = 2 * model.stride
        nothing = [np.zeros((1, channels, side, side), np.float32) for channels in (3, 10)]
        self._all(nothing, lambda step, results: self._work.append(_work(step, results)))

    def run(self, color: np.ndarray, guides: np.ndarray, on_share: Callable[[float], None]) -> np.ndarray:
        """See `engines.Engine`."""
        shares = iter(np.cumsum(self._work) / sum(self._work))
        return self._all([color, guides], lambda *_: on_share(float(next(shares))))

    def _all(self, given: list[np.ndarray], on_step: OnStep) -> np.ndarray:
        with np.errstate(all="ignore"):  # e to a large negative number is 0, as it should be
            (denoised,) = _run(self._program, {}, given, on_step)
        return np.asarray(denoised)


def _kinds(graph: Graph) -> set[str]:
    found = {node.kind for node in graph.nodes}
    return found.union(
        *(
            _kinds(part)
            for node in graph.nodes
            for part in node.attributes.values()
            if isinstance(part, Graph)
        )
    )


@dataclass(frozen=True)
class Step:
    """A node, the arrays that no later one needs, and those of them that its result may be written over."""

    node: Node
    gone: frozenset[str]
    spare: frozenset[str]
    # Of a loop, and what it takes from outside.
    body: "Program | None" = None
    outer: frozenset[str] = frozenset()


def _work(step: Step, results: Sequence[Any]) -> float:
    """Roughly: numbers that are written; a product of matrices makes one of them from many at once."""
    written = sum(np.size(result) for result in results)
    if step.body:
        return written * WORK_OF_LOOP
    return written * (WORK_OF_CONV if step.node.kind == "Conv" else 1.0)


@dataclass(frozen=True)
class Program:
    """A graph, ready to run."""

    graph: Graph
    steps: tuple[Step, ...]


def _program(graph: Graph) -> Program:
    steps: list[Step] = []
    own = {name for node in graph.nodes if node.kind in numpy_operators.APART for name in node.outputs}
    own -= {name for node in graph.nodes if node.kind not in numpy_operators.APART for name in _needed(node)}
    needed = {*graph.outputs, *graph.constants}
    for node in reversed(graph.nodes):
        gone = _needed(node) - needed
        needed |= gone
        body = node.attributes.get("body")
        steps.append(
            Step(node, gone, gone & own, _program(body), _from_outside(body))
            if body
            else Step(node, gone, gone & own)
        )
    return Program(graph, tuple(reversed(steps)))


def _needed(node: Node) -> frozenset[str]:
    """Its inputs, and what its body takes from outside."""
    bodies = [part for part in node.attributes.values() if isinstance(part, Graph)]
    return frozenset(filter(None, node.inputs)).union(*map(_from_outside, bodies))


def _from_outside(graph: Graph) -> frozenset[str]:
    made = {*graph.inputs, *graph.constants, *(name for node in graph.nodes for name in node.outputs)}
    return frozenset(graph.outputs).union(*map(_needed, graph.nodes)) - made


def _run(
    program: Program, outer: Mapping[str, Any], given: Sequence[Any], on_step: OnStep = lambda *_: None
) -> list[Any]:
    """The outputs of a graph; the body of a loop sees what is `outer` too."""
    graph = program.graph
    arrays: Arrays = {**outer, **graph.constants, **dict(zip(graph.inputs, given, strict=True))}
    for step in program.steps:
        inputs = [arrays[name] if name else None for name in step.node.inputs]
        results = _loop(step, arrays, inputs) if step.body else _result(step, arrays, inputs)
        results = results if isinstance(results, list | tuple) else [results]
        arrays.update(zip(step.node.outputs, results, strict=False))
        on_step(step, results)
        for name in step.gone:
            del arrays[name]
    return [arrays[name] for name in graph.outputs]


def _result(step: Step, arrays: Arrays, inputs: list[Any]) -> Any:
    """Of an operator; over an array that isn't needed any more, where one is as large as the result."""
    if kind := numpy_operators.IN_PLACE.get(step.node.kind):
        size = np.broadcast_shapes(*map(np.shape, inputs))
        for spare in (arrays[name] for name in step.spare):
            if spare.shape == size and all(array.dtype == spare.dtype == np.float32 for array in inputs):
                return kind(*inputs, out=spare)
    return numpy_operators.OPERATORS[step.node.kind](step.node.attributes, *inputs)


def _loop(step: Step, arrays: Arrays, inputs: list[Any]) -> list[Any]:
    """A loop of a known number of rounds, which is all that the exporter writes."""
    assert step.body
    count, _, *carried = inputs
    outer = {name: arrays[name] for name in step.outer}
    for number in range(int(count)):
        _, *carried = _run(step.body, outer, [np.int64(number), np.True_, *carried])
    return carried
