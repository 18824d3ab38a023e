"""The wiring of Section III, equation by equation."""
from .aligner import Aligner, Blur
from .feature_gate import FeatureGate, GatedRVBUnit
from .scale_sequence import ScaleMixer, ScaleSequenceFusion
from .scale_sequence_neck import ScaleSequenceNeck
from .scale_shared_head import ScaleSharedHead
from .target_enhancement import TargetFocusedEnhancement

__all__ = ['Aligner', 'Blur', 'FeatureGate', 'GatedRVBUnit', 'ScaleMixer', 'ScaleSequenceFusion',
           'ScaleSequenceNeck', 'ScaleSharedHead', 'TargetFocusedEnhancement']
