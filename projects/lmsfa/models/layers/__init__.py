from .aligner import Aligner, Blur
from .c2f import C2f, C2fPro, DarknetUnit
from .ema_attention import EMAttention
from .feature_gate import FeatureGate, GatedRVBUnit
from .proto import ProtoNet
from .rvb import RepDWConv, RVBUnit
from .scale_sequence import ScaleMixer, ScaleSequenceFusion
from .sppf import SPPF
from .ssff import SSFF
from .target_enhancement import TargetFocusedEnhancement
from .tfe import TFE

__all__ = ['Aligner', 'Blur', 'C2f', 'C2fPro', 'DarknetUnit', 'EMAttention', 'FeatureGate',
           'GatedRVBUnit', 'ProtoNet', 'RVBUnit', 'RepDWConv', 'SPPF', 'SSFF', 'ScaleMixer',
           'ScaleSequenceFusion', 'TFE', 'TargetFocusedEnhancement']
