"""The definition: a NumPy interpreter of expressions, slow and plainly right. What it returns is the meaning of a job.

Every backend is compared with this folder, so it knows no plan, no loop order and no trick. All output positions of a
chunk are evaluated at once: a node's value is an array of shape ``positions + node.shape`` with a flag per element.

Validity. A window sample is valid when its mode supplies it; with several windows, when it is valid in all windows
that have a sample at its offset from the anchor. Element-wise operators AND the flags; `select` needs the condition's
flag and that of the chosen branch. A fold uses the elements that are valid and that its `where` (if any) selects.
Where none remain, it is

* invalid if it has no identity (minimum, maximum), or if invalidity is the reason: an element that `where` is known to
  select does not exist, or nothing is known because `where` has no valid element;
* its identity if `where` selected nothing, as in NumPy.

`Sort` puts what a fold would not use last, behind NaN, and flags it invalid. `ArgReduce` gives the position in the
full window. `Take` clips its index and needs the flags of the index and of the element.

Numbers. Integers are exact and wrap as NumPy's. A floating sum or product goes from the first to the last element in
C order, in float64, and is rounded once: a backend may differ by rounding, and it may overflow in its own, narrower,
accumulator. In an element-wise minimum or maximum and in a `Sort`, -0 is less than +0. Two zeros in a fold: which of
them a fold of minima or maxima over both gives is not defined, as in NumPy; a backend gives the same one whatever the
tiles and the number of workers.  float16 values are held as float32 and rounded by a cast and at the store only.
"""

from kernelscape.reference.interpreter import evaluate
from kernelscape.reference.invalidity import can_be_invalid

__all__ = ["can_be_invalid", "evaluate"]
