"""SOLOv2's head with boxes."""
from mmdet.models.dense_heads import SOLOV2Head
from mmdet.registry import MODELS
from mmdet.structures.mask import mask2bbox
from mmengine.structures import InstanceData


@MODELS.register_module()
class BoxedSOLOV2Head(SOLOV2Head):
    """SOLOv2 (Wang et al., NeurIPS 2020) whose predictions carry the boxes of their masks.

    mmdet's head fills ``bboxes`` with zeros, since the network predicts none; box AP, overlays and
    COCO files need them.
    """

    def _predict_by_feat_single(self, *args, **kwargs) -> InstanceData:
        """As in mmdet, with ``bboxes`` (n, 4): the pixels' extent as x1, y1, x2, y2.

        Types are the same whether there are instances or not. A mask that resizing to the
        original image left empty gets a box of zeros.
        """
        results = super()._predict_by_feat_single(*args, **kwargs)
        results.masks = results.masks.bool()
        results.labels = results.labels.long()
        results.bboxes = mask2bbox(results.masks)
        return results
