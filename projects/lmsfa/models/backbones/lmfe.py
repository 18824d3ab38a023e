"""LMFE: the lightweight multi-scale feature extractor of LMSF-A."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..layers import SPPF
from ..utils.defaults import ACT_CFG, NORM_CFG, make_divisible, scale_depth


@MODELS.register_module()
class LMFE(BaseModule):
    """CSP-Darknet (YOLOv8's light variant) whose stages are exchangeable blocks.

    A stride-2 stem, four stages of a stride-2 convolution and a block, and SPPF. With
    ``block=dict(type='C2fPro')`` it is LMSF-A's backbone, with ``dict(type='C2f')`` YOLOv8's.

    Args:
        deepen_factor (float): Scales the units a stage, (3, 6, 6, 3) at 1.0.
        widen_factor (float): Scales the channels, (64, 128, 256, 512, 1024) at 1.0.
        max_channels (int): Cap on the channels before widening (1024 for n and s, 768 for m).
        block (dict | Sequence[dict]): Registered block of all stages, or one a stage
            (strides 4, 8, 16, 32), for example to have attention at strides 16 and 32 only.
        out_indices (Sequence[int]): Which maps to return: 0 to 3 the stages at strides 4, 8, 16
            and 32, 4 the SPPF of the last.
        sppf_kernel_size (int): Pooling window of SPPF.
        norm_eval (bool): Keep BatchNorm statistics fixed while training.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, 3, H, W), H and W multiples of 32 -> tuple of (B, C_i, H / s_i, W / s_i).
    """

    arch_channels = (64, 128, 256, 512, 1024)
    arch_blocks = (3, 6, 6, 3)

    def __init__(self, deepen_factor: float = 0.33, widen_factor: float = 0.25,
                 max_channels: int = 1024,
                 block: dict | Sequence[dict] = dict(type='C2fPro'),  # noqa: B006
                 out_indices: Sequence[int] = (0, 1, 2, 3, 4), sppf_kernel_size: int = 5,
                 norm_eval: bool = False, norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        if not set(out_indices) <= set(range(5)):
            raise ValueError(f'LMFE: out_indices must lie in 0..4, got {tuple(out_indices)}')
        channels = [make_divisible(min(c, max_channels) * widen_factor) for c in self.arch_channels]
        blocks = [block] * 4 if isinstance(block, dict) else list(block)
        if len(blocks) != 4:
            raise ValueError(f'LMFE: `block` needs 1 or 4 entries, got {len(blocks)}')
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        cfg = dict(kernel_size=3, stride=2, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stem = ConvModule(3, channels[0], **cfg)
        self.stages = nn.ModuleList()
        for i, stage_block in enumerate(blocks):
            self.stages.append(nn.Sequential(
                ConvModule(channels[i], channels[i + 1], **cfg),
                MODELS.build(dict(
                    stage_block, in_channels=channels[i + 1], out_channels=channels[i + 1],
                    num_blocks=scale_depth(self.arch_blocks[i], deepen_factor), shortcut=True,
                    norm_cfg=norm_cfg, act_cfg=act_cfg))))
        self.sppf = SPPF(channels[4], channels[4], sppf_kernel_size, norm_cfg, act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        outs = []
        for stage in self.stages:
            x = stage(x)
            outs.append(x)
        outs.append(self.sppf(x))
        return tuple(outs[i] for i in self.out_indices)

    def train(self, mode: bool = True) -> 'LMFE':
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
