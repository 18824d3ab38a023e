"""Networks of MONAI in the place of a semantic model, with the same data, loss and metric."""
from __future__ import annotations

from mmdet.registry import MODELS
from torch import Tensor

from medseg.errors import UserError
from medseg.models.semantic_segmentor import SemanticSegmentor


@MODELS.register_module()
class MonaiSegmentor(SemanticSegmentor):
    """A 2-D network of ``monai.networks.nets``.

    MONAI is optional (``requirements/volumes.txt``), so it is looked for when a model is built.

    Args:
        network (str): Class name, such as ``UNet`` or ``SegResNet``.
        num_classes (int): Masks that come out.
        options (dict): Arguments of the class beside dimensions and channels in and out.
        loss_mask, data_preprocessor, train_cfg, test_cfg: See :class:`SemanticSegmentor`.

    Raises:
        UserError: MONAI is not installed, or has no such network.
    """

    def __init__(self, network: str, num_classes: int, options: dict | None = None,
                 loss_mask: dict = dict(type='DiceFocalLoss'),  # noqa: B006
                 data_preprocessor: dict | None = None, train_cfg: dict | None = None,
                 test_cfg: dict | None = None, init_cfg=None) -> None:
        super().__init__(loss_mask, data_preprocessor, train_cfg, test_cfg, init_cfg)
        try:
            from monai.networks import nets
        except ImportError as error:
            raise UserError('MonaiSegmentor: MONAI is not installed; pip install --no-deps '
                            'monai==1.6.1') from error
        kind = getattr(nets, network, None)
        if kind is None:
            raise UserError(f'MonaiSegmentor: monai.networks.nets has no {network!r}')
        self._num_classes = num_classes
        self.network = kind(spatial_dims=2, in_channels=3, out_channels=num_classes,
                            **dict(options or {}))

    @property
    def num_classes(self) -> int:
        return self._num_classes

    def logits(self, batch_inputs: Tensor) -> Tensor:
        return self.network(batch_inputs)
