"""tools/infer.py on images, folders, videos and broken files."""
import json
import shutil

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from tiny_coco import CLASSES
from tool_runs import load_tool

TOOL = 'tools/infer.py'


@pytest.fixture
def infer(tiny_config, trained, monkeypatch):
    """Factory: run the tool at threshold 0, so that the hardly trained model finds something."""

    def run(source, out, *words):
        return load_tool(TOOL).main([str(tiny_config), str(trained / 'epoch_4.pth'), str(source),
                                     '--out', str(out), '--score-thr', '0', *words])

    return run


@pytest.fixture
def images(tiny_config):
    return sorted((tiny_config.parent / 'data' / 'images').iterdir())


def read(out):
    return json.loads((out / 'predictions.json').read_text())


def test_folder_with_equal_names_and_a_broken_file(infer, images, tmp_path, capsys):
    source, out = tmp_path / 'in', tmp_path / 'out'
    for folder in ('a', 'b'):
        (source / folder).mkdir(parents=True)
    shutil.copy(images[0], source / 'a' / 'x.png')
    shutil.copy(images[1], source / 'b' / 'x.png')
    image = cv2.imread(str(images[2]))
    cv2.imwrite(str(source / 'b' / 'x.jpg'), image)
    # Another size, not square: masks must come out at this image's own size.
    cv2.imwrite(str(source / 'ü wide.png'), cv2.resize(image, (150, 70)))
    (source / 'a' / 'cut.png').write_bytes(images[0].read_bytes()[:150])
    (source / 'notes.txt').write_text('not an image')

    assert infer(source, out) == 1
    error = capsys.readouterr().err
    assert f'failed: {source}/a/cut.png: the image is cut off' in error
    assert error.count('failed: ') == 1
    overlays = sorted(path.relative_to(out / 'overlays').as_posix()
                      for path in (out / 'overlays').rglob('*') if path.is_file())
    assert overlays == ['a/x.png', 'b/x.jpg.png', 'b/x.png.png', 'ü wide.png']
    wide = cv2.imdecode(np.fromfile(out / 'overlays/ü wide.png', np.uint8), cv2.IMREAD_COLOR)
    assert wide.shape == (70, 150, 3)

    records = read(out)
    assert {item['file_name'] for item in records} == {
        'a/x.png', 'b/x.jpg', 'b/x.png', 'ü wide.png'}
    assert len({item['image_id'] for item in records}) == 4
    for item in records:
        size = [70, 150] if 'wide' in item['file_name'] else [96, 96]
        assert item['segmentation']['size'] == size
        mask = mask_utils.decode(item['segmentation'])
        assert mask.shape == tuple(size) and int(mask.sum()) == item['area']
        assert item['category_name'] == CLASSES[item['category_id'] - 1]
        x, y, w, h = item['bbox']
        assert 0 <= x <= x + w <= size[1] + 0.1 and 0 <= y <= y + h <= size[0] + 0.1
        # The mask lies inside its box, up to a pixel of rounding.
        rows, cols = np.nonzero(mask)
        if len(rows):
            assert cols.min() >= x - 1 and cols.max() <= x + w + 1
            assert rows.min() >= y - 1 and rows.max() <= y + h + 1
    for name in {item['file_name'] for item in records}:
        scores = [item['score'] for item in records if item['file_name'] == name]
        assert scores == sorted(scores, reverse=True)


def test_single_image_is_painted_and_threshold_holds(infer, images, tmp_path):
    assert infer(images[0], tmp_path / 'all') == 0
    everything = read(tmp_path / 'all')
    painted = cv2.imread(str(tmp_path / 'all/overlays' / images[0].name))
    assert (painted != cv2.imread(str(images[0]))).any()
    cut = everything[len(everything) // 2]['score']
    assert infer(images[0], tmp_path / 'some', '--score-thr', str(cut)) == 0
    assert read(tmp_path / 'some') == [item for item in everything if item['score'] >= cut]
    assert infer(images[0], tmp_path / 'no', '--score-thr', '1', '--no-json') == 0
    assert not (tmp_path / 'no' / 'predictions.json').exists()
    untouched = cv2.imread(str(tmp_path / 'no/overlays' / images[0].name))
    assert (untouched == cv2.imread(str(images[0]))).all()


def test_ids_of_an_annotation_file(infer, images, tiny_config, tmp_path):
    source, out = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    for image in images[:3]:
        shutil.copy(image, source / image.name)
    content = json.loads((tiny_config.parent / 'data/annotations/instances_val.json').read_text())
    content['images'] = [dict(item, id=70 + item['id']) for item in content['images'][1:]]
    content['categories'] = [dict(item, id=10 * item['id']) for item in content['categories'][::-1]]
    content['annotations'] = [dict(item, image_id=70 + item['image_id'],
                                   category_id=10 * item['category_id'])
                              for item in content['annotations'] if item['image_id'] > 1]
    ann = tmp_path / 'ann.json'
    ann.write_text(json.dumps(content))
    assert infer(source, out, '--ann', str(ann)) == 0
    records = read(out)
    assert {item['image_id'] for item in records} == {72, 73}  # the first image is not listed
    assert all(item['category_id'] == 10 * (1 + CLASSES.index(item['category_name']))
               for item in records)
    loaded = COCO(str(ann)).loadRes(str(out / 'predictions.json'))
    assert len(loaded.anns) == len(records)


def test_colours_of_the_config(infer, images, tmp_path):
    pink = [(255, 0, 128)] * 4
    option = f'test_dataloader.dataset.metainfo.palette="{pink}"'.replace(' ', '')
    classes = 'test_dataloader.dataset.metainfo.classes="' + repr(list(CLASSES)) + '"'
    assert infer(images[0], tmp_path, '--cfg-options', option, classes) == 0
    painted = cv2.imread(str(tmp_path / 'overlays' / images[0].name))
    assert (painted == (128, 0, 255)).all(-1).any()  # outlines, BGR


def test_results_inside_the_folder_are_no_input(infer, images, tmp_path):
    shutil.copy(images[0], tmp_path / 'x.png')
    for _ in range(2):
        assert infer(tmp_path, tmp_path / 'out') == 0
        assert {item['file_name'] for item in read(tmp_path / 'out')} == {'x.png'}


def make_video(path, images):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (96, 96))
    for image in images:
        writer.write(cv2.imread(str(image)))
    writer.release()


def test_video(infer, images, tmp_path):
    video, out = tmp_path / 'clip.mp4', tmp_path / 'out'
    make_video(video, images)
    assert infer(video, out) == 0
    records = read(out)
    assert {item['frame'] for item in records} == {0, 1, 2, 3}
    assert {item['file_name'] for item in records} == {'clip.mp4'}
    made = cv2.VideoCapture(str(out / 'overlays' / 'clip.mp4'))
    assert made.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert made.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert [path.name for path in (out / 'overlays').iterdir()] == ['clip.mp4']


def test_stopped_video(infer, images, tmp_path, monkeypatch, capsys):
    """Ctrl-C at the third frame: two are in the records and in the video."""
    from medseg.engine.inference import Predictor
    video, out, call, calls = tmp_path / 'clip.mp4', tmp_path / 'out', Predictor.__call__, []

    def stopping(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return call(self, *args)

    make_video(video, images)
    monkeypatch.setattr(Predictor, '__call__', stopping)
    assert infer(video, out) == 130
    assert 'predictions.json has the' in capsys.readouterr().err
    assert {item['frame'] for item in read(out)} == {0, 1}
    made = cv2.VideoCapture(str(out / 'overlays' / 'clip.mp4'))
    assert made.get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_broken_video(infer, tmp_path, capsys):
    video = tmp_path / 'clip.mp4'
    video.write_bytes(b'no video')
    assert infer(video, tmp_path / 'out') == 1
    assert f'failed: {video}: not a readable video' in capsys.readouterr().err
    assert read(tmp_path / 'out') == []


def test_wrong_input(error_of, tiny_config, trained, images, tmp_path):
    checkpoint = trained / 'epoch_4.pth'
    (tmp_path / 'empty').mkdir()

    def error(source, out):
        return error_of(TOOL, tiny_config, checkpoint, source, '--out', out)

    assert 'none: no such image, folder or video' in error(tmp_path / 'none', tmp_path / 'o')
    assert 'empty: no images in this folder' in error(tmp_path / 'empty', tmp_path / 'o')
    assert 'is the input; name a folder' in error(images[0], images[0])
    other = 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py'
    assert 'does not fit the config' in error_of(
        TOOL, other, checkpoint, images[0], '--out', tmp_path / 'o')
    assert not (tmp_path / 'o').exists()
