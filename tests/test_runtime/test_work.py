"""How the work of post-processing grows with the instances, counted and not timed."""
import numpy as np
import pytest
from runtime_models import METADATA
from tool_runs import load_tool

from medseg.runtime.postprocess import Postprocessor
from medseg.runtime.preprocess import Geometry

TOOL = load_tool('tools/analysis_tools/scaling.py')
WHOLE = Geometry((640, 640), (640, 640), (640, 640))


class Counted(np.ndarray):
    """An array that adds what is computed with it to ``Counted.work``: one for each number of an
    element-wise result, and a product's length for each of its numbers."""

    work = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        def plain(values):
            return [value.view(np.ndarray) if isinstance(value, Counted) else value
                    for value in values]

        given = {} if out is None else dict(out=tuple(plain(out)))
        result = getattr(ufunc, method)(*plain(inputs), **given, **kwargs)
        length = inputs[0].shape[-1] if ufunc is np.matmul else 1
        Counted.work += np.size(result) * length
        return result.view(Counted) if isinstance(result, np.ndarray) else result


def work(count: int, last: bool) -> int:
    """Operations on ``count`` instances of three candidates each, with 32 prototypes."""
    outputs = TOOL.made_up_outputs(count, 4, 32)
    if last:
        outputs['prototypes'] = outputs['prototypes'].transpose(0, 2, 3, 1).copy()
    reader = Postprocessor(dict(METADATA, kind='raw', max_per_img=300, prototypes_last=last), 0.5)
    Counted.work = 0
    found = reader({name: value.view(Counted) for name, value in outputs.items()}, WHOLE)
    assert len(found) == count
    return Counted.work


def test_the_count_by_hand():
    Counted.work = 0
    a = np.ones((2, 3)).view(Counted)
    assert (a + 1).sum() == 12 and Counted.work == 6 + 1
    assert (a @ np.ones((3, 5))).shape == (2, 5) and Counted.work == 7 + 2 * 5 * 3


@pytest.mark.parametrize('last', [False, True])
def test_no_worse_than_linear(last):
    fixed, counts = work(0, last), [75, 150, 300]
    works = [work(count, last) - fixed for count in counts]
    # An instance costs its mask's logits, 32 x 160 x 160, and little else.
    assert 1.0 < works[0] / (75 * 32 * 160 * 160) < 1.05
    assert 0.98 < TOOL.exponent(counts, works) < 1.02
