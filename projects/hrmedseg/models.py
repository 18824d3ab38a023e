"""Importing this module registers every part of HRMedSeg."""
from .attention import GatedLinearAttention, GatedSoftmaxAttention
from .dice_focal_loss import DiceFocalLoss
from .ecm_decoder import ECMDecoder
from .embedding_neck import EmbeddingNeck
from .hrmedseg import HRMedSeg
from .lgvit import LGViT
from .prompt_encoder import PromptEncoder

__all__ = ['DiceFocalLoss', 'ECMDecoder', 'EmbeddingNeck', 'GatedLinearAttention',
           'GatedSoftmaxAttention', 'HRMedSeg', 'LGViT', 'PromptEncoder']
