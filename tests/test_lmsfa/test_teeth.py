"""The teeth data config: numbered teeth are never mirrored."""
import json

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-300e_teeth.py'


def write_tooth(folder):
    """Tooth 7 on the left of an image; categories in another order than the labels."""
    (folder / 'images').mkdir(parents=True)
    (folder / 'annotations').mkdir()
    image = np.zeros((64, 128, 3), np.uint8)
    image[20:40, 10:30] = 255
    cv2.imwrite(str(folder / 'images' / '1.png'), image)
    names = [str(n) for n in range(32, 0, -1)]
    (folder / 'annotations' / 'instances_train.json').write_text(json.dumps(dict(
        images=[dict(id=1, file_name='1.png', width=128, height=64)],
        annotations=[dict(id=1, image_id=1, category_id=names.index('7') + 1, iscrowd=0,
                          bbox=[10, 20, 20, 20], area=400,
                          segmentation=[[10, 20, 30, 20, 30, 40, 10, 40]])],
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(names)])))


def test_a_tooth_keeps_its_number_and_side(tmp_path):
    write_tooth(tmp_path)
    config = Config.fromfile(CONFIG)
    import_modules_from_strings(**config.custom_imports)
    wrapper = config.train_dataloader.dataset
    wrapper.dataset.data_root = str(tmp_path)
    # The transforms that move things at random are no part of this.
    wrapper.pipeline = [step for step in wrapper.pipeline
                        if step.type not in ('PolygonMosaic', 'PolygonRandomAffine')]
    dataset = DATASETS.build(wrapper)
    for _ in range(20):
        sample = dataset[0]['data_samples'].gt_instances
        assert sample.labels.tolist() == [6]
        centre = (sample.bboxes.tensor[0, 0] + sample.bboxes.tensor[0, 2]) / 2
        assert centre.item() == 100  # 20 of 128 pixels, at 640
    assert config.model.mask_head.num_classes == len(dataset.metainfo['classes']) == 32
