"""A single-stage segmentor with losses that exist in training only."""
from mmdet.models.detectors.single_stage_instance_seg import SingleStageInstanceSegmentor
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor, nn


class TrainingOnlyLosses(nn.ModuleDict):
    """Losses by name, with the layers that serve them; nothing of them is left after fusing."""

    def fuse(self) -> nn.ModuleDict:
        """What these losses are at inference: nothing."""
        return nn.ModuleDict()


@MODELS.register_module()
class AuxiliarySegmentor(SingleStageInstanceSegmentor):
    """MMDetection's segmentor plus auxiliary losses on features, such as Eq. 16 and Eq. 22.

    Prediction is the parent's. ``fuse_model``, and with it every export, drops the losses and
    their layers.

    Args:
        aux_losses (dict[str, dict]): Configs of registered losses by the name they are logged
            under, which has to hold ``loss``. Each is called with the neck's maps, the map that
            prototypes are decoded from, the input images and the data samples.

    Further arguments: see :class:`SingleStageInstanceSegmentor`; the mask head has to be a
    :class:`~medseg.models.prototype_head.PrototypeHead`.

    Raises:
        ValueError: A name without ``loss`` in it: mmengine would log the term, not minimise it.
    """

    def __init__(self, *args, aux_losses: dict[str, dict], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name in aux_losses:
            if 'loss' not in name:
                raise ValueError(f'aux_losses: {name!r} has no "loss" in its name, so it would be '
                                 f'logged but not minimised; call it loss_{name}')
        self.aux_losses = TrainingOnlyLosses(
            {name: MODELS.build(config) for name, config in aux_losses.items()})

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList, **kwargs
             ) -> dict[str, Tensor]:
        """Losses of the mask head and the auxiliary ones.

        Args:
            batch_inputs (Tensor): Preprocessed images, (B, C, H, W).
            batch_data_samples (list[DetDataSample]): Ground truth of each.

        Returns:
            dict: Scalars by name. Auxiliary losses are multiplied by the number of images where
            the head's are, so that their weights relate to the head's at any batch size.
        """
        feats = self.extract_feat(batch_inputs)
        decoded_from: list[Tensor] = []
        # The head computes that map on its way to the prototypes; once is enough.
        handle = self.mask_head.proto_net.register_forward_pre_hook(
            lambda module, inputs: decoded_from.append(inputs[0]))
        try:
            losses = self.mask_head.loss(feats, batch_data_samples, **kwargs)
        finally:
            handle.remove()
        scale = self.mask_head.loss_scale(len(batch_inputs), batch_inputs)
        for name, aux_loss in self.aux_losses.items():
            if name in losses:
                raise ValueError(f'aux_losses: {name} is the name of a loss of the mask head')
            losses[name] = scale * aux_loss(feats, decoded_from[0], batch_inputs,
                                            batch_data_samples)
        return losses
