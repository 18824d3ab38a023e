from .afgc_attention import AFGCAttention
from .aligner import Aligner, Blur
from .attentive_unit import AttentiveDarknetUnit
from .c2f import C2f, C2fPro, DarknetUnit
from .c2psa import C2PSA, PositionSensitiveAttention, PSABlock
from .c3k2 import C3k, C3k2
from .context_guided_unit import ContextGuidedUnit
from .cpca_attention import CPCAAttention
from .ema_attention import EMAttention
from .faster_unit import FasterUnit, PartialConv
from .feature_gate import FeatureGate, GatedRVBUnit
from .proto import ProtoNet
from .rvb import RepDWConv, RVBUnit
from .scale_sequence import ScaleMixer, ScaleSequenceFusion
from .se_attention import SEAttention
from .simam import SimAM
from .sppf import SPPF
from .ssff import SSFF
from .star_unit import StarUnit
from .target_enhancement import TargetFocusedEnhancement
from .tfe import TFE

__all__ = ['AFGCAttention', 'Aligner', 'AttentiveDarknetUnit', 'Blur', 'C2PSA', 'C2f', 'C2fPro',
           'C3k', 'C3k2', 'CPCAAttention', 'ContextGuidedUnit', 'DarknetUnit', 'EMAttention',
           'FasterUnit', 'FeatureGate', 'GatedRVBUnit', 'PSABlock', 'PartialConv',
           'PositionSensitiveAttention', 'ProtoNet', 'RVBUnit', 'RepDWConv', 'SEAttention', 'SPPF',
           'SSFF', 'ScaleMixer', 'ScaleSequenceFusion', 'SimAM', 'StarUnit', 'TFE',
           'TargetFocusedEnhancement']
