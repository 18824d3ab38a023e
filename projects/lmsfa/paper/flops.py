"""FLOPs as the LMSF-A paper counts them, in three conventions.

- LMSF-A and the YOLO models: FLOPs at 640x640 with transposed convolutions counted stride^2 times
  (:func:`paper_flops`).
- Mask R-CNN, Swin, Mask2Former and ConvNeXt: MACs, not FLOPs, at 1280x800, the default of mmdet's
  own counter.
- YOLACT: MACs at 550x550.
"""
from math import prod

from torch import nn

from medseg.benchmark.complexity import Complexity, count
from medseg.benchmark.references import Convention


def paper_flops(model: nn.Module, counts: Complexity) -> int:
    """FLOPs as Tables V to VIII count them: 2 x MACs, transposed convolutions stride^2 times.

    The counter of the paper's YOLO code base (thop, until it was corrected there) took a transposed
    convolution for a plain one that reads all of its kernel at every output pixel. A 2x2 kernel of
    stride 2 reads one tap, so the prototypes' upsampling counts four times: 0.63 G too much at size
    n and 640x640, the same for every row. With it the tables' figures come out to their printed
    digit, but for the rows whose notes in ``tables.py`` say why not.

    Args:
        model (nn.Module): The model that was counted.
        counts (Complexity): What :func:`medseg.benchmark.complexity.count` gave for it.

    Returns:
        int: FLOPs of one image.
    """
    surplus = sum((prod(module.stride) - 1) * counts.modules[name][1]
                  for name, module in model.named_modules()
                  if isinstance(module, nn.modules.conv._ConvTransposeNd)
                  and name in counts.modules)
    return 2 * (counts.macs + surplus)


def _macs(model: nn.Module, height: int, width: int) -> int:
    return count(model, height, width).macs


def _yolo_flops(model: nn.Module, height: int, width: int) -> int:
    return paper_flops(model, count(model, height, width))


#: By type of detector; None stands for all others.
CONVENTIONS = {
    'SingleStageInstanceSegmentor': Convention(
        640, 640, _yolo_flops,
        'FLOPs at 640x640 with transposed convolutions counted stride^2 times'),
    'YOLACT': Convention(550, 550, _macs, 'MACs at 550x550'),
    None: Convention(800, 1280, _macs, 'MACs at 1280x800'),
}
