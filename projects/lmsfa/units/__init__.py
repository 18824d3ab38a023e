"""C2f-Pro, its RVB unit, the other units of Table VII, and those of the edge model."""
from .attentive_unit import AttentiveDarknetUnit
from .c2f_pro import C2fPro
from .context_guided_unit import ContextGuidedUnit
from .faster_unit import FasterUnit, PartialConv
from .rep_units import RepConv, RepDenseUnit, RepLargeKernelUnit
from .rvb import RepDWConv, RVBUnit
from .star_unit import StarUnit

__all__ = ['AttentiveDarknetUnit', 'C2fPro', 'ContextGuidedUnit', 'FasterUnit', 'PartialConv',
           'RVBUnit', 'RepConv', 'RepDWConv', 'RepDenseUnit', 'RepLargeKernelUnit', 'StarUnit']
