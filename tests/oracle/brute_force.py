"""The definition again, one output and one sample at a time, in plain Python and straight from the formulas.

It shares nothing with the library: no array operations, no tables, and a boundary is a cycle written out as a list.
"""

import itertools
from dataclasses import dataclass, field


def element_at(mode, position, extent):
    """Give the index of the element that a mode shows at a position; None where there is none."""
    forth = list(range(extent))
    if mode in ("constant", "shrink"):
        return position if position in forth else None
    if mode == "nearest":
        return forth[0] if position < 0 else forth[-1] if position >= extent else position
    cycle = {"reflect": forth + forth[::-1], "mirror": forth + forth[-2:0:-1], "wrap": forth}[mode]
    return cycle[position % len(cycle)]


@dataclass
class WindowSpec:
    """A window in the user's words, everything per axis; `footprint` has the box's shape."""

    size: tuple
    origin: tuple
    dilation: tuple
    modes: tuple
    cval: float = 0.0
    footprint: object = None
    centre: tuple = field(init=False)

    def __post_init__(self):
        self.centre = tuple(k // 2 + shift for k, shift in zip(self.size, self.origin, strict=True))

    def offsets(self):
        """Offsets of the samples from the anchor, in C order."""
        return [
            tuple(d * (i - c) for i, d, c in zip(tap, self.dilation, self.centre, strict=True))
            for tap in itertools.product(*map(range, self.size))
            if self.footprint is None or self.footprint[tap]
        ]

    def sample(self, array, anchor, offset):
        """Give (value, exists) of the sample at an offset."""
        found = [
            element_at(mode, a + o, n) for mode, a, o, n in zip(self.modes, anchor, offset, array.shape, strict=True)
        ]
        outside = [mode for mode, index in zip(self.modes, found, strict=True) if index is None]
        if "shrink" in outside:
            return None, False
        return (self.cval if outside else array[tuple(found)].item()), True


def samples(arrays, specs, anchor):
    """For each window the list of (value, exists): an offset counts when every window that has it has a sample."""
    found = [
        {offset: spec.sample(array, anchor, offset) for offset in spec.offsets()}
        for array, spec in zip(arrays, specs, strict=True)
    ]
    missing = {offset for window in found for offset, (_, exists) in window.items() if not exists}
    return [[(value, offset not in missing) for offset, (value, _) in window.items()] for window in found]


def anchors_of_axis(extent, windows, stride, padding):
    """Anchors along an axis for windows (size, dilation, centre); found by trying every coordinate."""
    if padding == "same":
        return list(range(0, extent, stride))
    reach = 1 + sum(d * k for k, d, _ in windows)
    offsets = [d * (i - c) for k, d, c in windows for i in range(k)]
    before, after = (0, 0) if isinstance(padding, str) else padding
    everywhere = range(-reach - before, extent + reach + after)
    if padding == "full":
        fit = [p for p in everywhere if p + max(offsets) >= 0 and p + min(offsets) < extent]
    else:
        fit = [p for p in everywhere if p + min(offsets) >= -before and p + max(offsets) < extent + after]
    return fit[::stride]


def evaluate(function, arrays, specs, stride, padding):
    """Results of ``function(windows)`` by output index, where each window is a list of (value, exists)."""
    axes = [
        anchors_of_axis(
            n, [(s.size[axis], s.dilation[axis], s.centre[axis]) for s in specs], stride[axis], padding[axis]
        )
        for axis, n in enumerate(arrays[0].shape)
    ]
    counts = tuple(map(len, axes))
    results = {
        index: function(samples(arrays, specs, [a[i] for a, i in zip(axes, index, strict=True)]))
        for index in itertools.product(*map(range, counts))
    }
    return counts, results
