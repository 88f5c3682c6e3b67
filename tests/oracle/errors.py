"""Refusals: which exception, and what it says."""

import pytest

from kernelscape.errors import KernelscapeError


def assert_refused(error, text, call):
    """A call raises an exception of just this class, whose text matches."""
    __tracebackhide__ = True
    with pytest.raises(KernelscapeError, match=text) as caught:
        call()
    assert type(caught.value) is error
