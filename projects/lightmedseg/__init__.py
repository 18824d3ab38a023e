"""LightMedSeg: 3-D segmentation with 0.48 M parameters. Importing registers the network.

``projects.lightmedseg.training`` registers what trains, tests and compares it (with MONAI).
"""
from .anchor_detector import GlobalAnchorDetector
from .anchor_film import AnchorFiLM
from .decoder_stage import AdaptiveDecoderStage
from .encoder_stage import TextureRoutedStage
from .ghost_conv3d import GhostConv3D, PlainConv3D
from .loss import LightMedSegLoss
from .network import LightMedSegNet
from .position_bias import AnchorPositionBias
from .se_gate import SEGate3D
from .skip_router import SkipRouter
from .structural_prior import LocalStructuralPrior

__all__ = ['AdaptiveDecoderStage', 'AnchorFiLM', 'AnchorPositionBias', 'GhostConv3D',
           'GlobalAnchorDetector', 'LightMedSegLoss', 'LightMedSegNet', 'LocalStructuralPrior',
           'PlainConv3D', 'SEGate3D', 'SkipRouter', 'TextureRoutedStage']
