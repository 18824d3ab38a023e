"""Exported files that were damaged or made to harm: a sentence, and nothing outside is read."""
import json
import math

import numpy as np
import onnx
import pytest
from hostile_models import GOOD, NO_DESCRIPTIONS, OUTSIDE, PLACES, WRONG, external, initializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime_models import METADATA, constant_model, raw_outputs

from medseg.runtime import ModelError, Segmenter
from medseg.runtime.metadata import MetadataError, parse
from medseg.runtime.metadata_check import FIELDS, OPTIONAL, problem
from medseg.runtime.onnx_check import check_external_files, external_files

SECRET = b'0123456789abcdef' * 4


def model_with(path, place, location):
    """The raw export of the tests with one tensor more, in a folder that holds nothing else."""
    model = onnx.load(constant_model(path, raw_outputs(), dict(METADATA, kind='raw')))
    place(model, external(location))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path):
    """An empty folder for a model, with a secret one level above it and links to that in it."""
    (tmp_path / 'secret.bin').write_bytes(SECRET)
    inside = tmp_path / 'model'
    (inside / 'more').mkdir(parents=True)
    (inside / 'link.bin').symlink_to(tmp_path / 'secret.bin')
    (inside / 'up').symlink_to(tmp_path)
    (inside / 'dangling.bin').symlink_to(tmp_path / 'none')
    (inside / 'more' / 'own.bin').write_bytes(SECRET)
    return inside


@pytest.mark.parametrize('place', PLACES, ids=lambda f: f.__name__)
def test_tensors_are_found_wherever_they_are(folder, place):
    path = model_with(folder / 'm.onnx', place, '../secret.bin')
    assert '../secret.bin' in external_files(path.read_bytes())
    with pytest.raises(ModelError, match=r"m\.onnx: refused, .*wants to read '\.\./secret"):
        Segmenter(path)


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
@pytest.mark.parametrize('location', OUTSIDE)
def test_files_outside_the_folder_are_refused(folder, location, backend):
    path = model_with(folder / 'm.onnx', initializer, location)
    with pytest.raises(ModelError, match='outside its folder'):
        Segmenter(path, backend)


@pytest.mark.parametrize('location', ['none.bin', 'more', 'dangling.bin', 'more/none.bin'])
def test_files_that_are_not_there(folder, location):
    with pytest.raises(ModelError, match='which is not there|outside its folder'):
        Segmenter(model_with(folder / 'm.onnx', initializer, location))


def test_files_in_the_folder_are_read(folder):
    path = model_with(folder / 'm.onnx', initializer, 'more/own.bin')
    assert check_external_files(path) is None
    assert len(Segmenter(path, 'onnxruntime')(np.zeros((64, 64, 3), np.uint8))) == 2


def test_unusual_spelling_is_read_all_the_same(folder):
    """Protocol buffers allow longer numbers and any order of fields; backends read those too."""
    path = model_with(folder / 'm.onnx', initializer, '../secret.bin')
    entry = b'\x0a\x08location\x12\x0d../secret.bin'
    data = path.read_bytes()
    assert data.count(entry) == 1
    swapped = b'\x12\x0d../secret.bin\x0a\x08location'
    assert '../secret.bin' in external_files(data.replace(entry, swapped))


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_bytes_are_walked(raw_model, data):
    """A change anywhere, or no model at all, gives names or a ValueError, and ends."""
    content = raw_model.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    content = content[:start] + data.draw(st.binary(max_size=20)) + content[end:]
    for tried in (content, data.draw(st.binary(max_size=60))):
        try:
            assert isinstance(external_files(tried), list)
        except ValueError:
            pass


def test_the_table_knows_every_key():
    assert set(WRONG) == set(FIELDS) and problem(GOOD) is None


@pytest.mark.parametrize('key, value', [(k, v) for k, values in WRONG.items() for v in values],
                         ids=lambda x: str(x)[:20])
def test_descriptions_that_cannot_be(key, value):
    with pytest.raises(MetadataError, match=f'm.onnx: its "medseg" metadata is broken: "{key}"'):
        parse(json.dumps({**GOOD, key: value}), 'm.onnx')


@pytest.mark.parametrize('key', FIELDS)
def test_missing_keys(key):
    text = json.dumps({k: v for k, v in GOOD.items() if k != key})
    if key in OPTIONAL:
        assert parse(text, 'm.onnx')['kind'] == 'raw'
    else:
        with pytest.raises(MetadataError, match=f'"{key}" is missing'):
            parse(text, 'm.onnx')


@pytest.mark.parametrize('text', NO_DESCRIPTIONS)
def test_texts_that_are_no_description(text):
    with pytest.raises(MetadataError, match='m.onnx: .*export the model again'):
        parse(text, 'm.onnx')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=3), max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), _JSON)
def test_any_value_is_refused_or_works(key, value):
    """Whatever passes the check must go through pre- and post-processing's own arithmetic."""
    from medseg.runtime.postprocess import Postprocessor
    from medseg.runtime.preprocess import Preprocessor
    try:
        found = parse(json.dumps({**GOOD, key: value}), 'm.onnx')
    except MetadataError:
        return
    geometry = Preprocessor(found).geometry(48, 64)
    assert min(geometry.padded) >= 1 and math.isfinite(Postprocessor(found, 0.5)._cut)


def test_input_and_outputs_that_do_not_fit(tmp_path):
    def error(outputs, metadata, **options):
        path = constant_model(tmp_path / 'm.onnx', outputs, metadata, **options)
        with pytest.raises(ModelError) as caught:
            Segmenter(path, 'onnxruntime')(np.full((64, 64, 3), 100, np.uint8))
        return str(caught.value)

    raw, good = dict(METADATA, kind='raw'), raw_outputs()
    assert 'its input is float32 (1, 3, 96, 64)' in error(
        good, dict(raw, input_size=[64, 64]), size=(96, 64))
    for name, change in (('boxes', good['boxes'][..., :3]), ('scores', good['scores'][..., :3]),
                         ('scores', good['scores'][:, :2]),
                         ('coefficients', good['coefficients'][:, :1]),
                         ('prototypes', good['prototypes'][:, :7]),
                         ('prototypes', good['prototypes'][0])):
        assert 'm.onnx: its output "' in error({**good, name: change}, raw)
    fewer = dict(raw, classes=['a', 'b'], colors=[[0, 0, 0]] * 2)
    assert '"scores" has the shape (1, 4, 4), which does not go with the others and 2' in error(
        good, fewer)
    outputs = dict(dets=np.float32([[[4, 4, 30, 30, 0.8]]]), labels=np.int64([[9]]),
                   masks=np.ones((1, 1, 64, 64), np.float32))
    end = dict(METADATA, kind='end2end')
    assert 'the model gives the label 9, but its description names 4 classes' in error(outputs, end)
    outputs['labels'][:] = -1
    assert 'the label -1' in error(outputs, end)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_boxes_that_are_no_numbers_are_left_out(tmp_path, value):
    outputs = raw_outputs()
    outputs['boxes'][0, 2] = value
    path = constant_model(tmp_path / 'm.onnx', outputs, dict(METADATA, kind='raw'))
    found = Segmenter(path, 'onnxruntime')(np.full((64, 64, 3), 100, np.uint8))
    assert found.labels.tolist() == [1]  # without the nerve, the third of them
    assert np.isfinite(found.boxes).all()


def test_description_beside_an_openvino_file(tmp_path, raw_model):
    import openvino
    path = tmp_path / 'model.xml'
    openvino.save_model(openvino.Core().read_model(raw_model), path, compress_to_fp16=False)
    for content in (b'\xff\xfe', b'{', b'[]', json.dumps(dict(METADATA, kind='raw', std=[0] * 3)
                                                         ).encode()):
        path.with_suffix('.json').write_bytes(content)
        with pytest.raises(ModelError, match='model.json'):
            Segmenter(path)
