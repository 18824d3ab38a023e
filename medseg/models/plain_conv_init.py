"""PyTorch's own initialisation of convolutions, as YOLOv8 has it."""
from mmcv.cnn import ConvModule
from mmengine.model import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn


@WEIGHT_INITIALIZERS.register_module()
class PlainConvInit:
    r"""Give the convolutions of a model PyTorch's default weights.

    mmcv's ``ConvModule`` draws :math:`N(0, 2 / n_{out})`, PyTorch (and with it YOLOv8)
    :math:`U(\pm 1 / \sqrt{n_{in}})`, with n the kernel's area times the output or input channels:
    2.4 times less where both are equal, and :math:`\sqrt{C / 6}` times more in a depthwise
    convolution of C channels, whose n_out mmcv counts over all channels. BatchNorm hides the scale
    from the outputs but not from the optimiser: larger weights turn more slowly.

    Use it as the ``init_cfg`` of a model. Initialisers of the parts, such as of a head's biases,
    run after it.
    """

    #: Set by mmengine before the call; this initialiser always works on the whole module.
    wholemodule = True

    def __call__(self, module: nn.Module) -> None:
        """Initialise all ``Conv2d`` and ``ConvTranspose2d`` in ``module``."""
        for part in module.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                part.reset_parameters()
            elif isinstance(part, ConvModule):
                part.is_init = True  # mmengine leaves what says so alone
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=type(self).__name__)
