"""MONAI's networks under this project's registry, as peers in the same harness."""
import monai.networks.nets
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class MONAINetwork(BaseModule):
    """A network of ``monai.networks.nets``.

    Args:
        name (str): Its class, such as ``'UNet'``, ``'SegResNet'`` or ``'DynUNet'``.
        options: Arguments of the class.

    Shape: (B, C_in, D, H, W) -> logits (B, C, D, H, W).

    Raises:
        ValueError: MONAI has no such network.
    """

    def __init__(self, name: str, init_cfg=None, **options) -> None:
        super().__init__(init_cfg)
        network = getattr(monai.networks.nets, name, None)
        if network is None:
            raise ValueError(f'{name}: no such network in monai.networks.nets')
        self.network = network(**options)

    def init_weights(self) -> None:
        """The networks initialise themselves when they are made."""

    def forward(self, volume: Tensor) -> Tensor:
        return self.network(volume)
