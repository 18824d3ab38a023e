"""tools/test.py and tools/infer.py on models of other output types, with random weights."""
import json

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from pycocotools import mask as mask_utils
from tiny_coco import CLASSES, make_tiny_coco
from tool_runs import ROOT, load_tool

CONFIG = '''
_base_ = '{root}/configs/{path}'
data_root = '{data}/'
_base_.test_pipeline[1].scale = (64, 64)
test_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
'''
#: Config -> what makes a model with random weights predict something, and quickly.
MODELS_UNDER_TEST = {
    # Masks without boxes.
    'solov2/solov2_r50_fpn_1xb8-300e_peld.py': dict(
        mask_head=dict(num_grids=[10, 9, 6, 4, 3]),
        test_cfg=dict(score_thr=0., filter_thr=0., max_per_img=5)),
    # Queries, with a panoptic head.
    'mask2former/mask2former_r50_1xb8-300e_peld.py': dict(test_cfg=dict(max_per_image=5)),
    # A box head and a mask head.
    'yolact/yolact_r50_1xb8-300e_peld.py': dict(test_cfg=dict(max_per_img=5)),
    # Two stages.
    'mask_rcnn/mask-rcnn_r50_fpn_1xb8-300e_peld.py': dict(
        test_cfg=dict(rpn=dict(max_per_img=50), rcnn=dict(max_per_img=5))),
}


@pytest.mark.parametrize('path', MODELS_UNDER_TEST)
def test_test_and_infer(path, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    torch.manual_seed(0)
    data = make_tiny_coco(tmp_path / 'data', size=96)
    config_file = tmp_path / 'tiny.py'
    config_file.write_text(CONFIG.format(root=ROOT, path=path, data=data)
                           + f'model = dict(**{MODELS_UNDER_TEST[path]!r})\n')
    model = MODELS.build(Config.fromfile(config_file).model)
    model.init_weights()
    checkpoint = tmp_path / 'random.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)

    words = [str(config_file), str(checkpoint)]
    assert load_tool('tools/test.py').main([*words, '--work-dir', str(tmp_path / 'work')]) == 0
    scalars, = (tmp_path / 'work').glob('*/*.json')
    figures = json.loads(scalars.read_text())
    for kind in ('bbox', 'segm'):
        assert 0 <= figures[f'coco/{kind}_mAP'] <= 1

    out = tmp_path / 'out'
    assert load_tool('tools/infer.py').main(
        [*words, str(data / 'images'), '--out', str(out), '--score-thr', '0', '--device', 'cpu'
         ]) == 0
    assert len(list((out / 'overlays').glob('*.png'))) == 2
    instances = json.loads((out / 'predictions.json').read_text())
    assert instances
    for instance in instances:
        assert instance['category_name'] == CLASSES[instance['category_id'] - 1]
        assert instance['segmentation']['size'] == [96, 96]
        if path.startswith(('solov2', 'mask2former')) and instance['area']:
            # These predict masks; the box is the mask's.
            box = mask_utils.toBbox(instance['segmentation']).tolist()
            assert instance['bbox'] == box
