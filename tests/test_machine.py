"""Targets as data: each named one contains its parent, and a host is described by what LLVM reports of it."""

import itertools
import pickle

import pytest

from kernelscape.machine import GENERIC, TARGETS, X86_64, X86_64_V2, X86_64_V3, X86_64_V4, describe_host, named_target

AVX2 = {"sse2": True, "sse4.1": True, "avx2": True, "fma": True, "f16c": True}
AVX512 = {**AVX2, "avx512f": True, "avx512bw": True, "avx512vl": True, "avx512dq": True}


def test_names_are_those_that_users_write():
    assert list(TARGETS) == ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]
    assert all(named_target(name) is target and target.name == target.cpu == name for name, target in TARGETS.items())


def test_an_unknown_name_is_an_error_that_tells_the_known_ones():
    with pytest.raises(ValueError, match=r"x86-64-v5.*x86-64-v3"):
        named_target("x86-64-v5")


def test_each_level_has_all_that_the_level_below_has():
    levels = [X86_64, X86_64_V2, X86_64_V3, X86_64_V4]
    for lower, higher in itertools.pairwise(levels):
        for fact in ("vector_bytes", "registers", "fma", "rounding", "half", "cache_bytes"):
            assert getattr(higher, fact) >= getattr(lower, fact), fact
    assert [t.vector_bytes for t in levels] == [16, 16, 32, 64]
    assert [t.fma for t in levels] == [False, False, True, True]


@pytest.mark.parametrize(("features", "facts"), [
    ({}, (16, 16, False, False, False)),
    ({"sse2": True, "sse4.1": True}, (16, 16, False, True, False)),
    (AVX2, (32, 16, True, True, True)),
    ({**AVX2, "fma": False}, (16, 16, False, True, True)),
    (AVX512, (64, 32, True, True, True)),
    ({**AVX512, "avx512vl": False}, (32, 16, True, True, True)),
    ({**AVX2, "avx512f": True}, (32, 16, True, True, True)),
])  # fmt: skip
def test_a_host_is_what_its_features_say(features, facts):
    target = describe_host("somecpu", features, is_x86=True)
    assert (target.vector_bytes, target.registers, target.fma, target.rounding, target.half) == facts
    assert (target.name, target.cpu) == ("host", "somecpu")


def test_features_are_written_in_one_order_with_their_signs():
    target = describe_host("c", {"b": False, "a": True}, is_x86=True)
    assert target.features == "+a,-b"
    assert target == describe_host("c", {"a": True, "b": False}, is_x86=True)


def test_other_architectures_have_the_vectors_that_all_of_them_have():
    target = describe_host("apple-m1", {"neon": True}, is_x86=False)
    assert (target.vector_bytes, target.registers) == (GENERIC.vector_bytes, GENERIC.registers)
    assert (target.name, target.cpu, target.features) == ("host", "apple-m1", "+neon")


def test_targets_are_data_that_travels():
    for target in (*TARGETS.values(), GENERIC):
        assert pickle.loads(pickle.dumps(target)) == target
        assert hash(target) == hash(pickle.loads(pickle.dumps(target)))


def test_a_level_needs_what_the_levels_below_need():
    for lower, higher in itertools.pairwise(TARGETS.values()):
        assert set(lower.needs) < set(higher.needs)
    assert "avx512f" not in X86_64_V3.needs
    assert GENERIC.needs == ()


def test_a_host_needs_the_features_that_it_has():
    assert describe_host("c", {"b": False, "a": True, "d": True}, is_x86=True).needs == ("a", "d")
    unknown = describe_host("x86-64", {"sse2": True, "avx2": True}, is_x86=True)
    assert unknown.needs == ("avx2", "sse2"), "LLVM's name for a processor that it does not know is no level"
