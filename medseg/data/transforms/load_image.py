"""Read images as the runtime reads them."""
import numpy as np
from mmcv.transforms import LoadImageFromFile as _LoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine import fileio

from medseg.runtime.images import decode_image


@TRANSFORMS.register_module()
class LoadImageFromFile(_LoadImageFromFile):
    """mmcv's, under its name, with the decoder that prediction uses.

    mmcv takes the upper 8 bits of a 16-bit file whatever it holds, so that a model trained on
    12-bit data would have seen them 16 times darker than it is shown them. Everything else, and
    other back ends or colour types than OpenCV's colour, stays mmcv's. It has mmcv's name because
    MMDeploy, mmdet's own configs and users' look for that.

    Raises:
        ImageError: The file is missing, cut off, no image, or of values without a range.
    """

    def transform(self, results: dict) -> dict | None:
        if (self.color_type, self.imdecode_backend) != ('color', 'cv2') or self.file_client_args:
            return super().transform(results)
        path = results['img_path']
        try:
            data = fileio.get(path, backend_args=self.backend_args)
            image = decode_image(data, str(path))
        except Exception:
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results
