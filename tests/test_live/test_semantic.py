"""Semantic models in the live view: areas are drawn and recorded, none is followed."""
import io
import json
import zipfile

import numpy as np
import pytest
from live_parts import ListSource, texture
from runtime_models import METADATA, constant_model

from medseg.live.engine import Engine, Settings
from medseg.live.results import correction_archive, picture_record
from medseg.live.stability import main as stability_main
from medseg.live.studio import Studio
from medseg.runtime import open_model
from medseg.runtime.session import ModelError


@pytest.fixture(scope='module')
def semantic(tmp_path_factory):
    """Bone on the left half at 0.88, nerve on the upper half at 0.73, upon each other; a speck of
    adipose tissue; of ligamentum flavum nothing."""
    logits = np.full((1, 4, 16, 16), -4, np.float32)
    logits[0, 1, :, :8] = 2
    logits[0, 3, :8] = 1
    return constant_model(tmp_path_factory.mktemp('semantic') / 'areas.onnx',
                          dict(logits=logits), dict(METADATA, kind='semantic'))


def pictures(semantic, settings, count=3, size=(120, 160)):
    engine = Engine(open_model(semantic, threads=1), 'list', settings, every_frame=True,
                    opener=lambda: ListSource([texture(*size, seed=i) for i in range(count)]))
    found = []
    engine.add_sink(found.append)
    engine.start()
    assert engine.wait(60)
    engine.stop()
    assert engine.state == 'ended', engine.events
    return engine, found


def test_areas_are_drawn_and_not_followed(semantic):
    engine, found = pictures(semantic, Settings())
    assert len(found) == 3
    for picture in found:
        areas = picture.found
        assert areas.labels.tolist() == [1, 3] and areas.ids.tolist() == [0, 0]
        assert areas.scores == pytest.approx([0.88, 0.73], abs=0.03)
        # Both stay where they overlap; the page has objects' clean-up, which would take one.
        assert areas.masks[:, 20, 20].all() and areas.masks[:, 110, 150].tolist() == [False, False]
        assert areas.masks[0].mean() == pytest.approx(0.5, abs=0.03)
        assert areas.boxes[0] == pytest.approx([0, 0, 80, 120], abs=4)
        assert (picture.image != picture.frame).any()
        record = picture_record(picture)
        assert [item['category_name'] for item in record['objects']] == ['bone', 'nerve']
        assert not any('track_id' in item for item in record['objects'])
    archive = zipfile.ZipFile(io.BytesIO(correction_archive(
        found[0], engine.segmenter.class_names)))
    outlined = json.loads(archive.read('frame_000000.json'))
    assert [shape['label'] for shape in outlined['shapes']] == ['bone', 'nerve']
    assert (outlined['imageWidth'], outlined['imageHeight']) == (160, 120)
    engine.settings.style.hidden = {1, 3}
    assert (engine.redraw(found[0]) == found[0].frame).all()


def test_the_threshold_is_of_an_areas_mean_probability(semantic):
    _, found = pictures(semantic, Settings(threshold=0.8))
    assert [picture.found.labels.tolist() for picture in found] == [[1]] * 3


def test_large_frames(semantic):
    """Masks are made at the tracker's size and come out at the frame's."""
    _, found = pictures(semantic, Settings(), 1, (720, 1080))
    assert found[0].found.masks.shape == (2, 720, 1080)
    assert found[0].found.masks[0].mean() == pytest.approx(0.5, abs=0.02)


def test_the_page_says_what_kind_it_is(semantic, model, tmp_path):
    studio = Studio([semantic, model], [], tmp_path, threads=1)
    try:
        assert studio.describe()['instances'] is False
        studio.choose_model(1)
        assert studio.describe()['instances'] is True
    finally:
        studio.close()


def test_what_needs_objects_says_so(semantic, clip, capsys):
    assert stability_main([str(semantic), str(clip)]) == 2
    assert 'is a semantic export, Segmenter reads raw and end2end' in capsys.readouterr().err
    with pytest.raises(ModelError, match='threads 0'):
        open_model(semantic, threads=0)
