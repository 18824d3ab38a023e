"""Labels follow the class names, in the data set and in the metric alike."""
import json

import pytest
import torch
from mmdet.registry import DATASETS, METRICS

import medseg.metrics  # noqa: F401
from projects.lmsfa.datasets.peld import PELDDataset

CLASSES = PELDDataset.METAINFO['classes']


def write(path, names, annotations):
    """A COCO file of one 20x20 image with squares of the named categories, 4 pixels apart."""
    ids = {name: 10 + i for i, name in enumerate(names)}
    path.write_text(json.dumps(dict(
        images=[dict(id=1, file_name='1.png', width=40, height=20)],
        categories=[dict(id=i, name=name) for name, i in ids.items()],
        annotations=[dict(id=k + 1, image_id=1, category_id=ids[name], iscrowd=0, area=16,
                          bbox=[8 * k, 2, 4, 4], segmentation=[
                              [8 * k, 2, 8 * k + 4, 2, 8 * k + 4, 6, 8 * k, 6]])
                     for k, name in enumerate(annotations)])))
    return path


def labels(path):
    dataset = DATASETS.build(dict(type='PELDDataset', ann_file=str(path), pipeline=[],
                                  data_prefix=dict(img=str(path.parent))))
    return [item['bbox_label'] for item in dataset.get_data_info(0)['instances']]


@pytest.mark.parametrize('names', [CLASSES, CLASSES[::-1], ('nerve', 'drill', *CLASSES[:3])])
def test_the_order_of_the_file_does_not_matter(tmp_path, names):
    path = write(tmp_path / 'a.json', names, ['nerve', 'bone', 'ligamentum flavum'])
    assert labels(path) == [3, 1, 2]


def test_objects_of_other_categories_are_counted(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr('medseg.data.named_coco.print_log',
                        lambda message, *args, **kwargs: messages.append(message))
    path = write(tmp_path / 'a.json', ('drill', *CLASSES), ['drill', 'bone', 'drill'])
    assert labels(path) == [1]
    assert len(messages) == 1
    assert messages[0].startswith(f'{path}: 2 objects left out')
    assert messages[0].endswith("{'drill': 2}")


def test_a_missing_class_is_named(tmp_path):
    path = write(tmp_path / 'a.json', CLASSES[:3], ['bone'])
    with pytest.raises(ValueError, match=r"a.json: 'categories' has no 'nerve'"):
        labels(path)


def test_a_class_listed_twice_is_named(tmp_path):
    path = write(tmp_path / 'a.json', CLASSES, ['bone'])
    content = json.loads(path.read_text())
    content['categories'].append(dict(id=99, name='bone'))
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="'bone' more than once"):
        labels(path)


def test_the_metric_numbers_them_alike(tmp_path):
    path = write(tmp_path / 'a.json', CLASSES[::-1], ['nerve', 'bone'])
    metric = METRICS.build(dict(type='InstanceMetric', ann_file=str(path), metric='bbox'))
    metric.dataset_meta = PELDDataset.METAINFO
    metric.process({}, [dict(img_id=1, ori_shape=(20, 40), pred_instances=dict(
        bboxes=torch.tensor([[0., 2, 4, 6], [8., 2, 12, 6]]), scores=torch.ones(2),
        labels=torch.tensor([3, 1]), masks=torch.zeros(2, 20, 40, dtype=torch.bool)))])
    assert metric.evaluate(1)['coco/bbox_mAP'] == pytest.approx(1)
