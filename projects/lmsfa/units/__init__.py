"""C2f-Pro, its RVB unit, and the other units of Table VII."""
from .attentive_unit import AttentiveDarknetUnit
from .c2f_pro import C2fPro
from .context_guided_unit import ContextGuidedUnit
from .faster_unit import FasterUnit, PartialConv
from .rvb import RepDWConv, RVBUnit
from .star_unit import StarUnit

__all__ = ['AttentiveDarknetUnit', 'C2fPro', 'ContextGuidedUnit', 'FasterUnit', 'PartialConv',
           'RVBUnit', 'RepDWConv', 'StarUnit']
