"""The LightMedSeg network: stem and priors, encoder, skip router, decoder."""
from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

#: The encoder and the stem halve the size four times.
STRIDE = 16


@MODELS.register_module()
class LightMedSegNet(BaseModule):
    """LightMedSeg (arXiv 2603.07228), as far as it is published, with its gaps filled.

    A stride-2 ghost stem; anchors S and texture map T from its map; adaptive mixing; four
    texture-routed encoder stages (2x2x2 max pooling after the first three); a skip router; four
    adaptive decoder stages; a 1x1x1 convolution to the classes and a transposed convolution to
    the input's size. The defaults give 480,084 parameters and 14.67 GFLOPs (2 per
    multiply-accumulate) at 4 x 128^3 with four classes; the paper prints 0.48 M and 14.64 G.

    Any size: the volume is padded at its far ends to multiples of 16 by its border voxels, and
    the logits are cropped.

    Args:
        in_channels (int): Channels (modalities) of the volume.
        num_classes (int): Classes, background included; at least 2.
        stem_channels (int): w0.
        stage_channels (Sequence[int]): Of the four encoder stages.
        router (dict): Arguments of :class:`SkipRouter` beside ``in_channels``.
        decoder_channels (Sequence[int]): Of the four decoder stages' outputs, deepest first. The
            input of each must have the channels of its skip.
        num_anchors (int): K; 0 leaves anchors, FiLM and position bias out.
        anchor_detector (dict): Arguments of :class:`GlobalAnchorDetector` beside channels and K.
        prior (dict, optional): Arguments of :class:`LocalStructuralPrior` beside channels, such as
            ``use_texture=False`` to fix T at 0.5.
        conv (dict): Registered convolution, ``GhostConv3D`` or ``PlainConv3D``.
        distance (str): Distance of the position bias.

    Shape: (B, in_channels, D, H, W) -> dict with ``logits`` (B, num_classes, D, H, W),
    ``anchors`` (B, K, 3) in [0, 1] or None, ``texture`` (B, 1, D', H', W') in [0, 1] at half of
    the padded size.

    Raises:
        ValueError: Fewer than two classes, or decoder channels that do not meet the skips'.
    """

    def __init__(self, in_channels: int = 4, num_classes: int = 4, stem_channels: int = 8,
                 stage_channels: Sequence[int] = (24, 32, 64, 96),
                 router: dict = dict(channels=64, routed=(2, 3)),  # noqa: B006
                 decoder_channels: Sequence[int] = (64, 32, 24, 24), num_anchors: int = 8,
                 anchor_detector: dict | None = None, prior: dict | None = None,
                 conv: dict = dict(type='GhostConv3D'),  # noqa: B006
                 distance: str = 'squared', init_cfg=None) -> None:
        super().__init__(init_cfg)
        inputs = (stage_channels[-1], *decoder_channels[:-1])
        if num_classes < 2:
            raise ValueError('LightMedSegNet: num_classes counts the background, so at least 2; '
                             f'got {num_classes}')
        if tuple(inputs) != tuple(stage_channels[::-1]):
            raise ValueError(f'LightMedSegNet: decoder_channels {tuple(decoder_channels)} give '
                             f'stages inputs of {inputs}, and their skips have '
                             f'{tuple(stage_channels[::-1])}')
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.stem = MODELS.build(
            dict(conv, in_channels=in_channels, out_channels=stem_channels, stride=2))
        self.anchor_detector = MODELS.build(dict(
            type='GlobalAnchorDetector', in_channels=stem_channels, num_anchors=num_anchors,
            **(anchor_detector or {}))) if num_anchors else None
        self.prior = MODELS.build(dict(
            type='LocalStructuralPrior', channels=stem_channels, **(prior or {})))
        widths = (stem_channels, *stage_channels)
        self.stages = nn.ModuleList(
            MODELS.build(dict(type='TextureRoutedStage', in_channels=widths[i],
                              out_channels=widths[i + 1], num_anchors=num_anchors, conv=conv))
            for i in range(len(stage_channels)))
        self.pool = nn.MaxPool3d(2)
        self.router = MODELS.build(dict(type='SkipRouter', in_channels=stage_channels, **router))
        self.decoder = nn.ModuleList(
            MODELS.build(dict(type='AdaptiveDecoderStage', in_channels=inputs[i],
                              out_channels=decoder_channels[i], upsample=i > 0,
                              num_anchors=num_anchors, conv=conv, distance=distance))
            for i in range(len(decoder_channels)))
        self.classify = nn.Conv3d(decoder_channels[-1], num_classes, 1)
        self.upsample = nn.ConvTranspose3d(num_classes, num_classes, 2, 2)
        # Starts as nearest-neighbour enlargement of each class's logits; at random it mixes them.
        with torch.no_grad():
            self.upsample.weight.zero_()
            self.upsample.weight[range(num_classes), range(num_classes)] = 1
            self.upsample.bias.zero_()

    def forward(self, volume: Tensor) -> dict[str, Tensor | None]:
        size = volume.shape[2:]
        x = self.stem(pad_to_stride(volume))
        anchors = self.anchor_detector(x) if self.anchor_detector is not None else None
        texture, x = self.prior(x)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(self.pool(x) if i else x, texture, anchors)
            maps.append(x)
        skips = self.router(maps)
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            x = stage(x, skip, anchors)
        logits = self.upsample(self.classify(x))
        return dict(logits=logits[:, :, :size[0], :size[1], :size[2]], anchors=anchors,
                    texture=texture)


def pad_to_stride(volume: Tensor, stride: int = STRIDE) -> Tensor:
    """Pad (B, C, D, H, W) at the far ends to multiples of ``stride`` by the border's voxels."""
    short = [-n % stride for n in volume.shape[2:]]
    if not any(short):
        return volume
    return nn.functional.pad(volume, [n for s in reversed(short) for n in (0, s)],
                             mode='replicate')
