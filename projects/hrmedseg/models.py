"""Importing this module registers every part of HRMedSeg."""
from .attention import GatedLinearAttention, GatedSoftmaxAttention
from .dice_focal_loss import DiceFocalLoss
from .distillation import FeatureDistiller, FeatureErrorMetric
from .ecm_decoder import ECMDecoder
from .embedding_neck import EmbeddingNeck
from .hrmedseg import HRMedSeg
from .lgvit import LGViT
from .prompt_encoder import PromptEncoder
from .sam_encoder import SAMEncoder
from .simple_pyramid import SimplePyramid

__all__ = ['DiceFocalLoss', 'ECMDecoder', 'EmbeddingNeck', 'FeatureDistiller',
           'FeatureErrorMetric', 'GatedLinearAttention', 'GatedSoftmaxAttention', 'HRMedSeg',
           'LGViT', 'PromptEncoder', 'SAMEncoder', 'SimplePyramid']
