"""Semantic models, for export: the logits, which readers resample to the image."""
from __future__ import annotations

from mmdeploy.core import FUNCTION_REWRITER
from torch import Tensor


@FUNCTION_REWRITER.register_rewriter(
    'medseg.models.semantic_segmentor.SemanticSegmentor.predict')
def semantic_segmentor__predict(self, batch_inputs: Tensor, batch_data_samples, rescale: bool = True
                                ) -> Tensor:
    """Mask logits (B, K, h, w) of images (B, 3, H, W).

    They are resampled to the image once, by who reads them; at a quarter of the input's
    resolution they are a sixteenth of the values.
    """
    return self.logits(batch_inputs)
