"""Data sets as other tools leave them become what a training takes, and say what was left out."""
import json
import shutil

import pytest
import tiny_shapes
from mmdet.registry import DATASETS
from mmengine.config import Config
from PIL import Image
from pycocotools import mask as mask_utils

from medseg.configs import classes, datasets, evaluators, load_modules
from medseg.data.convert.records import ConversionError
from medseg.data.own import prepare
from medseg.engine.adapt_config import adapt_config
from medseg.engine.building import build_model
from medseg.engine.head_check import check_heads, crowded
from medseg.errors import UserError

#: One config of each family of heads.
FAMILIES = ['lmsfa/lmsfa-n', 'yolo11/yolo11n-seg', 'mask_rcnn/mask-rcnn_r50_fpn',
            'solov2/solov2_r50_fpn', 'yolact/yolact_r50', 'mask2former/mask2former_r50',
            'sparseinst/sparseinst_r50', 'rtmdet/rtmdet-ins_tiny']


def config_of(name):
    return Config.fromfile(f'configs/{name}_1xb8-300e_peld.py')


def load(out, subset):
    return json.loads((out / f'annotations/instances_{subset}.json').read_text())


@pytest.mark.parametrize('write, split, images, ids', [
    (tiny_shapes.roboflow, False, [4, 4, 4], dict(disc=1, bar=2)),
    (tiny_shapes.cvat, True, [2, 2, 2], dict(bar=7, disc=3)),
    (tiny_shapes.label_studio, True, [4, 1, 1], dict(disc=0, bar=1)),
    (tiny_shapes.yolo, False, [4, 4, 4], dict(disc=1, bar=2)),
])
def test_exports_of_other_tools_go_in_as_they_are(tmp_path, write, split, images, ids):
    source, out = write(tmp_path / 'src'), tmp_path / 'out'
    own = prepare(source, out, split=split, quiet=True)
    assert own.classes == tuple(ids)
    contents = [load(out, subset) for subset in ('train', 'val', 'test')]
    assert [len(content['images']) for content in contents] == images
    for content in contents:
        assert {c['name']: c['id'] for c in content['categories']} == ids
        assert len(content['annotations']) == 2 * len(content['images'])
    # Every outline is where its object is drawn, read through mmdet's data set.
    load_modules(own.config)
    dataset = DATASETS.build(dict(own.config.train_dataloader.dataset, pipeline=[]))
    assert dataset.metainfo['category_ids'] == list(ids.values())
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        pixels = Image.open(info['img_path']).convert('RGB')
        for instance in info['instances']:
            x1, y1, x2, y2 = instance['bbox']
            red, _, blue = pixels.getpixel((round((x1 + x2) / 2), round((y1 + y2) / 2)))
            name = own.classes[instance['bbox_label']]
            assert (red > blue) == (name == 'disc')


def test_patients_stay_together(tmp_path):
    prepare(tiny_shapes.cvat(tmp_path / 'src', 12), tmp_path / 'out', split=True, quiet=True)
    patients = [{image['file_name'].split('_')[0] for image in load(tmp_path / 'out', s)['images']}
                for s in ('train', 'val', 'test')]
    assert [len(p) for p in patients] == [4, 1, 1] and len(set.union(*patients)) == 6


def test_classes_select_and_order(tmp_path):
    source = tiny_shapes.cvat(tmp_path / 'src')
    own = prepare(source, tmp_path / 'out', ['disc'], split=True, quiet=True)
    assert own.classes == ('disc',)
    assert "6 x object of category 'bar', which is not among --classes" in own.report
    assert [a['category_id'] for a in load(tmp_path / 'out', 'val')['annotations']] == [3, 3]
    assert prepare(source, tmp_path / 'o', ['disc', 'bar'], True).classes == ('disc', 'bar')
    for wanted, message in ((['disk'], "did you mean 'disc'"), (['disc', 'disc'], 'given twice')):
        with pytest.raises(ConversionError, match=message):
            prepare(source, tmp_path / 'x', wanted, split=True)
    assert not (tmp_path / 'x').exists()


def test_what_cannot_be_used_is_named_and_counted(tmp_path):
    source, out = tiny_shapes.roboflow(tmp_path / 'src'), tmp_path / 'out'
    file = source / 'train/_annotations.coco.json'
    content = json.loads(file.read_text())
    objects = content['annotations']
    objects[0]['segmentation'] = []
    objects[1].update(category_id=77)
    objects[2].update(image_id=5)
    objects[3]['segmentation'] = [[1, 1, 5, 5, 9, 9]]
    rle = mask_utils.merge(mask_utils.frPyObjects(objects[4]['segmentation'], 72, 96))
    objects[4] = dict(id=4, image_id=objects[4]['image_id'], category_id=1, segmentation=dict(
        size=[72, 96], counts=rle['counts'].decode()))
    objects[5]['segmentation'] = dict(size=[9, 9], counts=[81])
    (source / 'train/s3.jpg').unlink()
    file.write_text(json.dumps(content))
    report = prepare(source, out).report
    for line in ('1 x image is missing; the first: ', '1 x box without an outline',
                 '1 x unknown category', '1 x unknown image', '1 x zero area', '1 x wrong size',
                 '2 x object of a missing image',
                 "category 'shapes' has no objects and is left out",
                 'no test subset: the val subset serves as both'):
        assert line in report
    kept = load(out, 'train')
    assert [a['image_id'] for a in kept['annotations']] == [102]
    assert kept['annotations'][0]['area'] == mask_utils.area(rle)
    assert kept['annotations'][0]['iscrowd'] == 0


def test_equal_names(tmp_path):
    """Roboflow repeats a class as its parent when the project has the class's name."""
    source = tiny_shapes.roboflow(tmp_path / 'src')
    for file in source.rglob('*.json'):
        file.write_text(file.read_text().replace('"shapes"', '"disc"'))
    own = prepare(source, tmp_path / 'out')
    assert own.classes == ('disc', 'bar')
    assert [c['id'] for c in load(tmp_path / 'out', 'val')['categories']] == [1, 2]


def test_sets_that_cannot_be_used(tmp_path):
    def error(source, **options):
        with pytest.raises(ConversionError) as caught:
            prepare(source, tmp_path / 'out', **options)
        assert not (tmp_path / 'out').exists()
        return str(caught.value)

    source = tiny_shapes.cvat(tmp_path / 'cvat')
    assert 'Add --split to divide its 6 images 8:1:1' in error(source)
    assert 'convert them: python tools/data/labelme.py' in error(
        tiny_shapes.labelme(tmp_path / 'labelme'))
    assert 'no such file or folder' in error(tmp_path / 'none')
    Image.new('RGB', (50, 40)).save(source / 'images/default/p1_f0.png')
    assert 'says 96x72, but' in error(source, split=True)
    shutil.rmtree(source / 'images')
    assert 'put the images into' in error(source, split=True)
    twice = tiny_shapes.roboflow(tmp_path / 'rf')
    shutil.copy(twice / 'train/_annotations.coco.json', twice / 'train.json')
    assert 'both look like annotations of the train images' in error(twice)


@pytest.mark.parametrize('name', FAMILIES)
def test_every_family_of_heads_follows_the_data(tmp_path, name):
    own = prepare(tiny_shapes.roboflow(tmp_path / 'src'), tmp_path / 'out', ['bar'])
    config = adapt_config(config_of(name), data=own.config, size=96, epochs=6, val_interval=1)
    assert classes(config) == ('bar',)
    assert {d['type'] for d in datasets(config)} == {'NamedCocoDataset'}
    assert {m['ann_file'] for _, m in evaluators(config)} == {
        f'{tmp_path}/out/annotations/instances_{s}.json' for s in ('val', 'test')}
    model = build_model(config)
    check_heads(model, config)
    # What the work dir gets is the whole of it.
    dumped = tmp_path / 'dumped.py'
    dumped.write_text(config.pretty_text)
    assert classes(Config.fromfile(dumped)) == ('bar',)
    # As it was before: four classes.
    config.val_dataloader = config.test_dataloader = None
    for dataset in datasets(config):
        dataset.metainfo = dict(classes=('bar', 'disc'))
    with pytest.raises(UserError) as caught:
        check_heads(model, config)
    assert "_classes is 1, but the training data has 2 classes ('bar', 'disc'); set it: " in (
        str(caught.value))


def test_crowded_images_are_said(tmp_path):
    source = tiny_shapes.roboflow(tmp_path / 'src')
    file = source / 'train/_annotations.coco.json'
    content = json.loads(file.read_text())
    content['annotations'] += [dict(content['annotations'][0], id=900 + i) for i in range(130)]
    file.write_text(json.dumps(content))
    own = prepare(source, tmp_path / 'out')
    config = adapt_config(config_of('sparseinst/sparseinst_r50'), data=own.config)
    assert config.val_evaluator.max_dets == 200 and config.model.test_cfg.max_per_img == 200
    line, = crowded(config, 'train_dataloader', 'val_dataloader')
    assert 'up to 132 objects in an image, but model.mask_head.num_masks is 100' in line
    config.val_evaluator.max_dets = 50
    config.model.mask_head.num_masks = 200
    assert crowded(config, 'val_dataloader') == []
    assert 'val_evaluator.max_dets is 50' in crowded(
        config, 'train_dataloader', 'val_dataloader')[0]
