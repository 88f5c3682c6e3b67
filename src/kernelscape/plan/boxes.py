"""Footprints that leave out nothing: `np.ones((5, 5))` is a window of 5x5, and is planned as one.

A footprint window is a line of samples. Where it holds all of its box, in C order, it is the box's window, reshaped.
The reshaping moves outwards through element-wise operations until a fold over the line becomes a fold over the box.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from kernelscape import expression as ex
from kernelscape.expression import Node, Shape
from kernelscape.geometry import Input, Job


def whole_windows(job: Job) -> Job:
    """The job with full footprints as windows without one; itself where there are none."""
    full = {number: tuple(a.size for a in i.axes) for number, i in enumerate(job.inputs) if _is_full(i)}
    if not full or any(i.taps is not None and i.elements for i in job.inputs):
        return job

    def rule(node: Node) -> Node | None:
        if isinstance(node, ex.Window) and node.input in full:
            box = full[node.input]
            return ex.reshape(replace(node, shape=box), node.shape)
        if isinstance(node, ex.Elementwise):
            return _moved_outwards(node)
        if isinstance(node, ex.Reduce) and not isinstance(node, ex.ArgReduce):
            return _over_the_box(node)
        return None

    return replace(
        job,
        inputs=tuple(replace(i, taps=None) if n in full else i for n, i in enumerate(job.inputs)),
        outputs=ex.rebuild(job.outputs, rule),
        interior=None if job.interior is None else ex.rebuild(job.interior, rule),
    )


def _is_full(given: Input) -> bool:
    return given.taps is not None and given.taps == tuple(product(*(range(axis.size) for axis in given.axes)))


def _box_of(node: Node) -> Shape | None:
    """The shape of which a line is all elements, if it was made of one with several axes."""
    return node.body.shape if isinstance(node, ex.Reshape) and node.ndim == 1 and node.body.ndim > 1 else None


def _moved_outwards(node: ex.Elementwise) -> Node | None:
    boxes = {box for operand in node.operands if (box := _box_of(operand)) is not None}
    if len(boxes) != 1 or any(operand.shape not in ((), (1,), node.shape) for operand in node.operands):
        return None
    (box,) = boxes
    shapes = {(): (), (1,): (1,) * len(box), node.shape: box}
    operands = [ex.reshape(operand, shapes[operand.shape]) for operand in node.operands]
    return ex.reshape(ex.elementwise(node.operator, node.dtype, *operands), node.shape)


def _over_the_box(node: ex.Reduce) -> Node | None:
    box = _box_of(node.body)
    if box is None:
        return None
    where = None if node.where is None else ex.reshape(node.where, box)
    return ex.reduce(node.operation, ex.reshape(node.body, box), range(len(box)), where)
