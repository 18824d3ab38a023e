"""Hand-made scenes: axis-parallel rectangles in small images, so that figures can be checked."""
import json

import numpy as np
import pytest
import torch

CLASSES = ('adipose tissue', 'bone', 'nerve')
SIZE = 100


def rectangle(x, y, width, height, size=SIZE):
    mask = np.zeros((size, size), dtype=bool)
    mask[y:y + height, x:x + width] = True
    return mask


class Scene:
    """Ground truth and predictions of a few images, as a COCO file and as data samples."""

    def __init__(self, folder, classes=CLASSES, size=SIZE):
        self.folder, self.classes, self.size = folder, classes, size
        self.images, self.annotations, self.predictions = [], [], {}

    def image(self):
        image_id = len(self.images) + 1
        self.images.append(dict(
            id=image_id, width=self.size, height=self.size, file_name=f'{image_id}.png'))
        self.predictions[image_id] = []
        return image_id

    def truth(self, image_id, label, x, y, width, height, **extra):
        polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
        self.annotations.append(dict(
            id=len(self.annotations) + 1, image_id=image_id, category_id=label + 1, iscrowd=0,
            bbox=[x, y, width, height], area=width * height, segmentation=[polygon], **extra))

    def found(self, image_id, label, score, x, y, width, height):
        self.predictions[image_id].append((label, score, x, y, width, height))

    def ann_file(self):
        path = self.folder / 'instances.json'
        path.write_text(json.dumps(dict(
            images=self.images, annotations=self.annotations,
            categories=[dict(id=i + 1, name=name) for i, name in enumerate(self.classes)])))
        return str(path)

    def samples(self):
        samples = []
        for image in self.images:
            rows = self.predictions[image['id']]
            boxes = [[x, y, x + w, y + h] for _, _, x, y, w, h in rows]
            masks = [rectangle(*row[2:], self.size) for row in rows]
            samples.append(dict(
                img_id=image['id'], ori_shape=(self.size, self.size),
                pred_instances=dict(
                    bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                    scores=torch.tensor([row[1] for row in rows], dtype=torch.float32),
                    labels=torch.tensor([row[0] for row in rows], dtype=torch.long),
                    masks=torch.from_numpy(
                        np.array(masks, dtype=bool).reshape(-1, self.size, self.size)))))
        return samples


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def make_scene(tmp_path):
    return lambda **kwargs: Scene(tmp_path, **kwargs)
