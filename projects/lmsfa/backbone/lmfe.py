"""LMFE: the lightweight multi-scale feature extractor of LMSF-A."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medseg.models.defaults import ACT_CFG, NORM_CFG, make_divisible, scale_depth
from medseg.models.sppf import SPPF


@MODELS.register_module()
class LMFE(BaseModule):
    """CSP-Darknet (YOLOv8's light variant) whose stages are exchangeable blocks.

    A stride-2 stem, four stages of a stride-2 convolution and a block, and SPPF. With
    ``block=dict(type='C2fPro')`` it is LMSF-A's backbone, with ``dict(type='C2f')`` YOLOv8's.

    Args:
        deepen_factor (float): Scales the units a stage.
        widen_factor (float): Scales the channels.
        max_channels (int): Cap on the channels before widening (1024 for n and s, 768 for m).
        block (dict | Sequence[dict]): Registered block of all stages, or one a stage
            (strides 4, 8, 16, 32), for example to have attention at strides 16 and 32 only.
        num_blocks (Sequence[int]): Units of the four stages at ``deepen_factor`` 1.
        channels (Sequence[int]): Channels of the stem and of the four stages' convolutions at
            ``widen_factor`` 1.
        block_channels (Sequence[int], optional): Channels of the four stages' blocks, where they
            are not their convolutions' (YOLO11's are wider).
        top_block (dict, optional): Registered block behind SPPF, such as ``dict(type='C2PSA')``,
            one unit deep.
        out_indices (Sequence[int]): Which maps to return: 0 to 3 the stages at strides 4, 8, 16
            and 32, 4 the last behind SPPF and ``top_block``.
        sppf_kernel_size (int): Pooling window of SPPF.
        sppf_linear_conv1 (bool): No activation after SPPF's first convolution; see :class:`SPPF`.
        norm_eval (bool): Keep BatchNorm statistics fixed while training.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, 3, H, W), H and W multiples of 32 -> tuple of (B, C_i, H / s_i, W / s_i).
    """

    def __init__(self, deepen_factor: float = 0.33, widen_factor: float = 0.25,
                 max_channels: int = 1024,
                 block: dict | Sequence[dict] = dict(type='C2fPro'),  # noqa: B006
                 num_blocks: Sequence[int] = (3, 6, 6, 3),
                 channels: Sequence[int] = (64, 128, 256, 512, 1024),
                 block_channels: Sequence[int] | None = None, top_block: dict | None = None,
                 out_indices: Sequence[int] = (0, 1, 2, 3, 4), sppf_kernel_size: int = 5,
                 sppf_linear_conv1: bool = False,
                 norm_eval: bool = False, norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        if not set(out_indices) <= set(range(5)):
            raise ValueError(f'LMFE: out_indices must lie in 0..4, got {tuple(out_indices)}')
        channels, outs = ([make_divisible(min(c, max_channels) * widen_factor) for c in values]
                          for values in (channels, block_channels or channels[1:]))
        blocks = [block] * 4 if isinstance(block, dict) else list(block)
        if len(blocks) != 4:
            raise ValueError(f'LMFE: `block` needs 1 or 4 entries, got {len(blocks)}')
        if not len(num_blocks) == len(outs) == len(channels) - 1 == 4:
            raise ValueError('LMFE: needs 4 `num_blocks`, 5 `channels` and 4 `block_channels`, got '
                             f'{len(num_blocks)}, {len(channels)} and {len(outs)}')
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        cfg = dict(kernel_size=3, stride=2, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stem = ConvModule(3, channels[0], **cfg)
        self.stages = nn.ModuleList()
        for i, stage_block in enumerate(blocks):
            self.stages.append(nn.Sequential(
                ConvModule(outs[i - 1] if i else channels[0], channels[i + 1], **cfg),
                MODELS.build(dict(
                    stage_block, in_channels=channels[i + 1], out_channels=outs[i],
                    num_blocks=scale_depth(num_blocks[i], deepen_factor), shortcut=True,
                    norm_cfg=norm_cfg, act_cfg=act_cfg))))
        self.sppf = SPPF(outs[3], outs[3], sppf_kernel_size, norm_cfg, act_cfg, sppf_linear_conv1)
        self.top_block = nn.Identity() if top_block is None else MODELS.build(dict(
            top_block, in_channels=outs[3], out_channels=outs[3], norm_cfg=norm_cfg,
            act_cfg=act_cfg))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        outs = []
        for stage in self.stages:
            x = stage(x)
            outs.append(x)
        outs.append(self.top_block(self.sppf(x)))
        return tuple(outs[i] for i in self.out_indices)

    def train(self, mode: bool = True) -> 'LMFE':
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
