"""Nodes, their constructors, walking, sharing, structure, text and the verifier.

What nodes *mean* is the matter of ``test_reference.py``; here only what holds of graphs as such.
"""

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelscape import expression as ex
from kernelscape.expression import BOOL, INT64, Elementwise, Node, Slice, Window
from kernelscape.verification import MalformedExpressionError, verify

F32 = np.dtype(np.float32)
U8 = np.dtype(np.uint8)


def window(*shape, dtype=F32, number=0):
    return Window(shape, np.dtype(dtype), number)


def sample_graph():
    """Give a graph with every kind of node, and a subexpression that two parents share."""
    w, mask = window(3, 4), ex.elementwise("greater", BOOL, window(3, 4), ex.constant(0.0, F32))
    shared = ex.elementwise("add", F32, w, ex.Argument((4,), F32, 0))
    parts = [
        ex.reduce("add", shared, (0,), mask),
        ex.reduce("add", ex.transpose(shared, (1, 0)), (1,)),
        ex.pick(ex.sort(shared, 0, mask), 0, 1),
        ex.broadcast(ex.Pixel((), F32, 1), (4,)),
        ex.cast(ex.broadcast(ex.Index((), INT64, 1), (4,)), F32),
        ex.take(w, 0, ex.arg_reduce("maximum", w, (0,))),
        ex.pick(ex.Column((5, 4), F32, 0), 0, 2),
        ex.cast(ex.pick(ex.valid(w), 0, 0), F32),
        ex.pick(ex.scan("add", w, 0), 0, 2),
        ex.runs("longest", ex.sort(ex.transpose(w, (1, 0)), 1), ex.cast(ex.reduce("add", w, (0,)), INT64)),
        ex.finite(ex.reduce("add", w, (0,)), ex.reduce("maximum", w, (0,))),
    ]
    joined = ex.concatenate(parts, 0)
    return ex.put(joined, (1,), (3,), ex.broadcast(ex.constant(7.0, F32), (4,)))


# -- constructors -


def test_constructors_keep_small_things_small():
    w = window(3, 4)
    assert ex.cast(w, F32) is w
    assert ex.reshape(w, (3, 4)) is w
    assert ex.transpose(w, (0, 1)) is w
    assert ex.broadcast(w, (3, 4)) is w
    assert ex.slice_(w, (0, 0), (1, 1), (3, 4)) is w
    assert ex.concatenate([w], 1) is w
    assert ex.reshape(ex.reshape(w, (12,)), (3, 4)) is w
    assert ex.reshape(ex.reshape(w, (12,)), (2, 6)).body is w


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4,)), ((4,), (3, 4)), ((3, 1), (1, 4)), ((), (3, 4)), ((3, 4), ()), ((), ())]
)
def test_elementwise_broadcasts_as_numpy(shapes):
    node = ex.elementwise("add", F32, *(window(*s) for s in shapes))
    assert node.shape == np.broadcast_shapes(*shapes)
    verify([node])


@given(st.data())
def test_shapes_are_those_of_numpy(data):
    """Every shape operator, applied at random, has the shape that NumPy gives for the same operation."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    node, array = window(*shape), np.zeros(shape)
    axis = data.draw(st.integers(0, len(shape) - 1))
    axes = data.draw(st.permutations(range(len(shape))))
    position = data.draw(st.integers(0, shape[axis] - 1))
    pairs = [
        (ex.reduce("add", node, axes[:2]), array.sum(axis=tuple(axes[:2]))),
        (ex.arg_reduce("minimum", node, (axis,)), array.argmin(axis=axis)),
        (ex.sort(node, axis), np.sort(array, axis)),
        (ex.scan("add", node, axis), np.cumsum(array, axis)),
        (ex.transpose(node, axes), array.transpose(axes)),
        (ex.pick(node, axis, position), array.take(position, axis)),
        (ex.take(node, axis, ex.constant(0, INT64)), array.take(0, axis)),
        (ex.concatenate([node, node, node], axis), np.concatenate([array] * 3, axis)),
        (ex.broadcast(node, (2, *shape)), np.broadcast_to(array, (2, *shape))),
        (ex.reshape(node, (node.size,)), array.ravel()),
        (ex.valid(node), array),
    ]
    for made, wanted in pairs:
        assert made.shape == wanted.shape
        assert (made.size, made.ndim) == (wanted.size, wanted.ndim)
    verify([made for made, _ in pairs])


def test_dtypes_follow_from_the_node():
    w = window(5, dtype=U8)
    assert ex.reduce("add", w, (0,)).dtype == U8
    assert ex.arg_reduce("maximum", w, (0,)).dtype == INT64
    assert ex.valid(w).dtype == BOOL
    assert ex.sort(w, 0).dtype == U8


# -- walking -


def test_walk_gives_each_node_once_and_children_first():
    graph = sample_graph()
    nodes = list(ex.walk([graph, graph]))
    place = {id(n): i for i, n in enumerate(nodes)}
    assert len(place) == len(nodes)
    assert nodes[-1] is graph
    assert {type(n).__name__ for n in nodes} == {kind.__name__ for kind in _kinds(Node)}
    for node in nodes:
        assert all(place[id(c)] < place[id(node)] for c in node.children)


def _kinds(kind):
    for sub in kind.__subclasses__():
        if not sub.__name__.startswith("_"):
            yield sub
        yield from _kinds(sub)


def test_walk_is_not_recursive():
    node = window()
    for _ in range(20_000):
        node = ex.elementwise("negative", F32, node)
    assert sum(1 for _ in ex.walk([node])) == 20_001


def test_with_children_puts_them_where_children_reads_them():
    for node in ex.walk([sample_graph()]):
        others = [replace(c) for c in node.children]
        made = node.with_children(others)
        assert type(made) is type(node)
        assert [id(c) for c in made.children] == [id(c) for c in others]
        assert (made.facts(), made.shape, made.dtype) == (node.facts(), node.shape, node.dtype)


def test_rebuild_without_changes_gives_the_same_objects():
    graph = sample_graph()
    assert ex.rebuild([graph], lambda node: None)[0] is graph


def test_rebuild_changes_what_the_rule_names_and_what_stands_on_it():
    a, b = window(3), window(3, number=1)
    kept = ex.elementwise("negative", F32, b)
    total = ex.elementwise("add", F32, ex.elementwise("negative", F32, a), kept)
    (made,) = ex.rebuild(
        [total], lambda n: Window(n.shape, n.dtype, 5) if isinstance(n, Window) and n.input == 0 else None
    )
    assert made is not total
    assert made.children[1] is kept
    assert made.children[0].children[0].input == 5
    assert total.children[0].children[0] is a


# -- structure -


def test_two_graphs_built_alike_have_one_structure_and_are_not_equal():
    a, b = sample_graph(), sample_graph()
    assert a != b
    assert ex.structure([a]) == ex.structure([b])
    assert hash(ex.structure([a])) == hash(ex.structure([b]))
    assert ex.to_text([a]) == ex.to_text([b])


def test_structure_is_the_same_whether_subexpressions_are_shared_or_repeated():
    w = window(3)
    once = ex.elementwise("negative", F32, w)
    shared = ex.elementwise("add", F32, once, once)
    repeated = ex.elementwise("add", F32, once, ex.elementwise("negative", F32, window(3)))
    assert ex.structure([shared]) == ex.structure([repeated])


def test_every_fact_of_a_node_is_part_of_the_structure():
    w, other = window(4), window(4, number=1)
    flag = ex.elementwise("greater", BOOL, w, other)
    distinct = [
        w, other, window(4, dtype=np.float64), window(2, 2), ex.Argument((4,), F32, 0), ex.Argument((4,), F32, 1),
        ex.Pixel((), F32, 0), ex.Pixel((), F32, 1), ex.Index((), INT64, 0), ex.Index((), INT64, 1),
        ex.Column((4,), F32, 0), ex.Column((4,), F32, 1),
        ex.constant(0.0, F32), ex.constant(-0.0, F32), ex.constant(1.0, F32), ex.constant(1, F32),
        ex.constant(True, F32), ex.constant(math.nan, F32), ex.constant(math.inf, F32),
        ex.elementwise("subtract", F32, w, other), ex.elementwise("subtract", F32, other, w),
        ex.elementwise("add", F32, w, other), ex.reduce("add", w, (0,)), ex.reduce("maximum", w, (0,)),
        ex.reduce("add", w, (0,), flag), ex.arg_reduce("maximum", w, (0,)), ex.arg_reduce("minimum", w, (0,)),
        ex.sort(w, 0), ex.sort(w, 0, numbers=True), ex.sort(w, 0, flag),
        ex.slice_(w, (0,), (2,), (2,)), ex.slice_(w, (1,), (2,), (2,)), ex.slice_(w, (0,), (3,), (2,)),
        ex.put(w, (0,), (1,), other), ex.put(w, (0,), (1,), w), ex.valid(w), ex.reshape(w, (2, 2)),
        ex.transpose(window(2, 2), (1, 0)), ex.concatenate([w, other], 0), ex.concatenate([other, w], 0),
    ]  # fmt: skip
    keys = [ex.structure([node]) for node in distinct]
    assert len(set(keys)) == len(distinct)
    assert ex.structure([w, other]) != ex.structure([other, w])
    assert ex.structure([w]) != ex.structure([w, w])


def test_nan_constants_do_not_break_equality_of_structures():
    key = ex.structure([ex.constant(math.nan, F32)])
    assert key == ex.structure([ex.constant(float("nan"), F32)])


def test_structure_is_the_same_in_another_process():
    code = "from tests.test_expression import *; import sys; sys.stdout.write(repr(ex.structure([sample_graph()])))"
    path = os.pathsep.join(p for p in sys.path if p)
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert other.stdout == repr(ex.structure([sample_graph()]))


def test_sharing_merges_equal_subexpressions_and_keeps_the_structure():
    a = ex.elementwise("negative", F32, window(3))
    b = ex.elementwise("negative", F32, window(3))
    plus, minus = ex.constant(0.0, F32), ex.constant(-0.0, F32)
    roots = [ex.elementwise("add", F32, a, b), ex.elementwise("add", F32, plus, minus)]
    made = ex.share(roots)
    assert made[0].children[0] is made[0].children[1]
    assert made[1].children[0] is not made[1].children[1]
    assert ex.structure(made) == ex.structure(roots)
    assert len(list(ex.walk(made))) < len(list(ex.walk(roots)))


def test_nodes_are_frozen_and_travel_between_processes():
    graph = sample_graph()
    with pytest.raises(AttributeError):
        graph.shape = (1,)
    assert ex.structure([pickle.loads(pickle.dumps(graph))]) == ex.structure([graph])


# -- the verifier -


def test_the_verifier_accepts_a_graph_of_every_node():
    verify([sample_graph()])


W, V = window(3, 4), window(3, 4, dtype=np.int32)
MALFORMED = {
    "negative extent": Window((-1,), F32, 0),
    "extent no integer": Window((2.0,), F32, 0),
    "complex": window(3, dtype=np.complex64),
    "text": window(3, dtype="U3"),
    "big-endian": window(3, dtype=">f4"),
    "operands": Elementwise((3, 4), F32, "add", (W, window(3))),
    "elementwise shape": Elementwise((4,), F32, "add", (W, W)),
    "fold shape": ex.Reduce((3,), F32, "add", (0,), W),
    "fold dtype": ex.Reduce((4,), np.dtype(np.float64), "add", (0,), W),
    "fold where dtype": ex.Reduce((4,), F32, "add", (0,), W, V),
    "fold where shape": ex.Reduce((4,), F32, "add", (0,), W, window(4, dtype=bool)),
    "argument dtype": ex.ArgReduce((4,), F32, "maximum", (0,), W),
    "runs measure": ex.Runs((3,), INT64, "shortest", W),
    "runs shape": ex.Runs((4,), INT64, "number", W),
    "runs dtype": ex.Runs((3,), F32, "bits", W),
    "runs of nothing": ex.runs("number", window(3, 0)),
    "runs count": ex.runs("longest", W, window(3)),
    "sort shape": ex.Sort((4, 3), F32, 0, W),
    "slice start": Slice((1, 4), F32, W, (3, 0), (1, 1)),
    "slice end": Slice((2, 4), F32, W, (2, 0), (1, 1)),
    "slice backwards": Slice((3, 4), F32, W, (1, 0), (-1, 1)),
    "put": ex.put(W, (2, 0), (1, 1), W),
    "reshape": ex.Reshape((5,), F32, W),
    "reshape dtype": ex.Reshape((12,), INT64, W),
    "transpose": ex.Transpose((3, 5), F32, W, (1, 0)),
    "parts": ex.Concatenate((6, 4), F32, 0, (W, V)),
    "parts extent": ex.Concatenate((7, 4), F32, 0, (W, W)),
    "parts shape": ex.Concatenate((6, 4), F32, 0, (W, window(3, 5))),
}


@pytest.mark.parametrize("node", MALFORMED.values(), ids=MALFORMED)
def test_the_verifier_refuses(node):
    with pytest.raises(MalformedExpressionError, match=type(node).__name__) as caught:
        verify([ex.constant(1.0, F32), node])
    assert isinstance(caught.value, AssertionError)
    assert "return %" in str(caught.value)


def test_the_verifier_sees_nodes_deep_inside():
    deep = ex.elementwise("negative", F32, MALFORMED["fold shape"])
    with pytest.raises(MalformedExpressionError, match="Reduce"):
        verify([deep])


def test_text_has_one_line_per_node_and_names_the_results():
    w = window(3, dtype=U8)
    text = ex.to_text([ex.reduce("maximum", w, (0,)), w])
    assert text.splitlines() == ["%0: uint8 3 = window 0", "%1: uint8 scalar = reduce maximum (0) %0", "return %1, %0"]
