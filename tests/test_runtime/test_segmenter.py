"""The runtime on models whose answers are known."""
import json
import subprocess
import sys

import cv2
import numpy as np
import openvino
import pytest
from runtime_models import METADATA, constant_model, raw_outputs

from medseg.runtime import ModelError, Segmenter
from medseg.runtime.records import decode_mask

BLOCKED = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdeploy', 'onnx', 'rich', 'PIL', 'pycocotools',
           'scipy', 'shapely', 'matplotlib')
PROGRAM = f'''
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Blocked())
import numpy as np
from medseg.runtime import Segmenter
import medseg.runtime.__main__

print(len(Segmenter(sys.argv[1])(np.zeros((64, 64, 3), np.uint8))))
'''


def frame(height=64, width=64):
    return np.full((height, width, 3), 100, np.uint8)


def test_runs_without_the_training_stack(raw_model):
    result = subprocess.run([sys.executable, '-c', PROGRAM, str(raw_model)], capture_output=True,
                            text=True)
    assert result.stdout == '2\n', result.stderr


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_raw_export(raw_model, backend):
    segmenter = Segmenter(raw_model, backend, threads=1)
    assert segmenter.class_names == METADATA['classes']
    found = segmenter(frame())
    # The second bone overlaps the first by 31/33, the adipose tissue is below 0.25.
    assert found.labels.tolist() == [1, 3]
    assert found.scores == pytest.approx([0.9, 0.7])
    assert found.boxes.tolist() == [[8, 8, 40, 40], [8, 8, 40, 40]]
    assert found.masks.shape == (2, 64, 64) and found.masks.dtype == bool
    # Prototype columns 0 to 7 end at pixel 32, and the box starts at 8.
    expected = np.zeros((64, 64), bool)
    expected[8:40, 8:32] = True
    assert (found.masks[0] == expected).all()
    assert (found.masks[1] == expected.T).all()


def test_threshold(raw_model):
    segmenter = Segmenter(raw_model, score_thr=0.05)
    assert segmenter(frame()).labels.tolist() == [1, 3, 0]
    segmenter.score_thr = 0.75
    assert segmenter(frame()).labels.tolist() == [1]
    segmenter.score_thr = 0.95
    nothing = segmenter(frame())
    assert len(nothing) == 0 and nothing.masks.shape == (0, 64, 64)


def test_original_size(raw_model):
    """A frame twice as large and half as high: resized to 64x32, which needs no padding."""
    found = Segmenter(raw_model)(frame(64, 128))
    # Boxes end at the resized image's lower edge, 32, which is the frame's, 64.
    assert found.boxes.tolist() == [[16, 16, 80, 64], [16, 16, 80, 64]]
    assert found.masks.shape == (2, 64, 128)


def test_end_to_end_export(tmp_path):
    masks = np.zeros((1, 2, 64, 64), np.float32)
    masks[0, 0, :, :20] = 0.9
    outputs = dict(dets=np.float32([[[4, 4, 30, 30, 0.8], [0, 0, 0, 0, 0]]]),
                   labels=np.int64([[2, -1]]), masks=masks)
    path = constant_model(tmp_path / 'm.onnx', outputs, dict(METADATA, kind='end2end'))
    found = Segmenter(path)(frame())
    assert found.labels.tolist() == [2] and found.boxes.tolist() == [[4, 4, 30, 30]]
    expected = np.zeros((64, 64), bool)
    expected[4:30, 4:20] = True
    assert (found.masks[0] == expected).mean() > 0.99
    # Other models' masks are probabilities that do not end at the box; without boxes, the masks'.
    outputs['dets'][..., :4] = 0
    free = dict(METADATA, kind='end2end', mask_resample='probabilities', crop_masks=False)
    found = Segmenter(constant_model(tmp_path / 'n.onnx', outputs, free))(frame())
    assert found.masks[0].sum() == 64 * 20
    assert found.boxes.tolist() == [[0, 0, 20, 64]]


def test_openvino_file_with_description_beside_it(raw_model, tmp_path):
    path = tmp_path / 'model.xml'
    openvino.save_model(openvino.Core().read_model(raw_model), path, compress_to_fp16=False)
    with pytest.raises(ModelError, match='model.xml: has no "medseg" metadata'):
        Segmenter(path)
    path.with_suffix('.json').write_text(json.dumps(dict(METADATA, kind='raw')))
    assert Segmenter(path)(frame()).labels.tolist() == [1, 3]
    path.with_suffix('.bin').unlink()
    with pytest.raises(ModelError, match='model.bin: no such file'):
        Segmenter(path)


def test_stream_and_colours(raw_model):
    segmenter = Segmenter(raw_model, score_thr=0.75)
    frames = [frame(), frame(32, 96), frame()]
    seen = [(image.shape, found.masks.shape) for image, found in segmenter.stream(iter(frames))]
    assert seen == [((64, 64, 3), (1, 64, 64)), ((32, 96, 3), (1, 32, 96)),
                    ((64, 64, 3), (1, 64, 64))]
    image = frame()
    picture = segmenter.draw(image, segmenter(image), opacity=0.5, labels=False)
    assert (image == 100).all()
    assert picture[50, 50].tolist() == [100] * 3
    # Bone is (220, 20, 60) as RGB; half of it and half of the frame, as BGR.
    assert picture[20, 20].tolist() == [80, 60, 160]
    assert picture[8, 20].tolist() == [60, 20, 220]


def test_wrong_files(tmp_path, raw_model):
    def error(path, **options):
        with pytest.raises(ModelError) as caught:
            Segmenter(path, **options)
        return str(caught.value)

    assert 'none.onnx: no such file' in error(tmp_path / 'none.onnx')
    assert 'is no model; give an .onnx file' in error(tmp_path / 'model.pth')
    assert 'onnxruntime cannot read .xml files' in error(tmp_path / 'm.xml', backend='onnxruntime')
    (tmp_path / 'broken.onnx').write_bytes(raw_model.read_bytes()[:200])
    assert 'broken.onnx: onnxruntime cannot load it' in error(tmp_path / 'broken.onnx')
    plain = constant_model(tmp_path / 'plain.onnx', raw_outputs())
    assert 'plain.onnx: has no "medseg" metadata; export the model again' in error(plain)
    lying = constant_model(tmp_path / 'lying.onnx', raw_outputs(), dict(METADATA, kind='end2end'))
    assert "lacks the outputs ['dets', 'labels', 'masks']" in error(lying)
    assert 'threads 0: must be at least 1' in error(raw_model, threads=0)
    assert 'score_thr 1.5' in error(raw_model, score_thr=1.5)


def test_wrong_images(raw_model):
    segmenter = Segmenter(raw_model)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match='an image must be a BGR array'):
            segmenter(wrong)


def test_command_line(raw_model, tmp_path, capsys):
    from medseg.runtime.__main__ import main
    source, out = tmp_path / 'in', tmp_path / 'out'
    (source / 'a').mkdir(parents=True)
    cv2.imwrite(str(source / 'a' / 'x.png'), frame())
    cv2.imwrite(str(source / 'a' / 'x.jpg'), frame(64, 128))
    (source / 'cut.png').write_bytes((source / 'a' / 'x.png').read_bytes()[:-20])
    (source / 'no.jpg').write_bytes(b'no image')
    assert main([str(raw_model), str(source), '--out', str(out)]) == 1
    said = capsys.readouterr()
    assert '4 instances in 2 of 4 files' in said.out
    assert 'cut.png: the image is cut off' in said.err
    assert 'no.jpg: is no image' in said.err and '2 of 4 files could not be read' in said.err
    assert sorted(p.name for p in (out / 'overlays/a').iterdir()) == ['x.jpg.png', 'x.png.png']
    found = json.loads((out / 'predictions.json').read_text())
    bone = next(r for r in found if r['file_name'] == 'a/x.png' and r['category_name'] == 'bone')
    assert bone['bbox'] == [8, 8, 32, 32] and bone['area'] == 32 * 24
    # 8 columns and 8 rows of nothing, then 24 columns with 32 rows each.
    expected = np.zeros((64, 64), bool)
    expected[8:40, 8:32] = True
    assert (decode_mask(bone['segmentation']) == expected).all()
    for words, message in ((('none.onnx', source), 'none.onnx: no such file'),
                           ((raw_model, tmp_path / 'x'), 'no such image, folder or video'),
                           ((raw_model, tmp_path / 'in' / 'a' / '..' / '..' / 'empty'),
                            'no images in this folder')):
        (tmp_path / 'empty').mkdir(exist_ok=True)
        assert main([str(word) for word in words] + ['--out', str(tmp_path / 'o')]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / 'o').exists()


def test_video(raw_model, tmp_path):
    from medseg.runtime.__main__ import main
    writer = cv2.VideoWriter(str(tmp_path / 'v.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 64))
    for _ in range(3):
        writer.write(frame())
    writer.release()
    assert main([str(raw_model), str(tmp_path / 'v.mp4'), '--out', str(tmp_path / 'out')]) == 0
    found = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert [item['frame'] for item in found] == [0, 0, 1, 1, 2, 2]
    made = cv2.VideoCapture(str(tmp_path / 'out/overlays/v.mp4'))
    assert made.get(cv2.CAP_PROP_FRAME_COUNT) == 3
