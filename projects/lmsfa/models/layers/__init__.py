from .c2f import C2f, C2fPro, DarknetUnit
from .ema_attention import EMAttention
from .proto import ProtoNet
from .rvb import RepDWConv, RVBUnit
from .sppf import SPPF
from .ssff import SSFF
from .tfe import TFE

__all__ = ['C2f', 'C2fPro', 'DarknetUnit', 'EMAttention', 'ProtoNet', 'RVBUnit', 'RepDWConv',
           'SPPF', 'SSFF', 'TFE']
