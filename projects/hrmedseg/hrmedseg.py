"""HRMedSeg: encoder, neck and decoder as one segmentor."""
from __future__ import annotations

from mmdet.registry import MODELS
from torch import Tensor

from medseg.models.semantic_segmentor import SemanticSegmentor


@MODELS.register_module()
class HRMedSeg(SemanticSegmentor):
    """LGViT, neck and ECM-Decoder; without prompts, as it is trained and used.

    Args:
        backbone, neck (dict): Registered parts; the neck gives one map.
        decode_head (dict): Registered decoder, see :class:`.ECMDecoder`.
        prompt_encoder (dict): Registered, see :class:`.PromptEncoder`.
        loss_mask, data_preprocessor, train_cfg, test_cfg: See :class:`SemanticSegmentor`.
    """

    def __init__(self, backbone: dict, neck: dict, decode_head: dict,
                 prompt_encoder: dict = dict(type='PromptEncoder'),  # noqa: B006
                 loss_mask: dict = dict(type='DiceFocalLoss'),  # noqa: B006
                 data_preprocessor: dict | None = None, train_cfg: dict | None = None,
                 test_cfg: dict | None = None, init_cfg=None) -> None:
        super().__init__(loss_mask, data_preprocessor, train_cfg, test_cfg, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.prompt_encoder = MODELS.build(prompt_encoder)
        self.decode_head = MODELS.build(decode_head)

    @property
    def num_classes(self) -> int:
        return self.decode_head.num_classes

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Image embedding: a tuple of one map (B, 256, H / 16, W / 16)."""
        return self.neck(self.backbone(batch_inputs))

    def logits(self, batch_inputs: Tensor) -> Tensor:
        image = self.extract_feat(batch_inputs)[0]
        code = self.prompt_encoder.grid_code(*image.shape[2:])
        return self.decode_head(image + self.prompt_encoder.dense(), code)
