"""How soon there is a picture, and what is not loaded on the way."""
import re

import pytest
from test_layout import HEAVY, loaded_by

from medseg.live import start


@pytest.mark.parametrize('code', [
    'import medseg.live.__main__', 'import medseg.live.server, medseg.live.studio',
    'import medseg.live.terminal', 'import medseg.live.start',
    'import medseg.live.__main__ as m; m.main(["none.onnx", "none.mp4"])'])
def test_nothing_heavy_is_loaded(code):
    found = loaded_by(code)
    assert not found & (HEAVY | {'pandas', 'shapely', 'PIL', 'rich', 'sklearn'})
    if code == 'import medseg.live.__main__':
        assert not found & {'fastapi', 'uvicorn', 'onnxruntime', 'openvino'}


def test_the_first_overlay_is_timed(model, clip, tmp_path, capsys):
    page = tmp_path / 'page.md'
    page.write_text('<!-- table: live-start -->\n<!-- end of table -->\n')
    assert start.main([str(model), str(clip), '--runs', '1', '--docs', str(page)]) == 0
    served, shown, cpu = (float(v) for v in re.search(
        r'\| 1 \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|', page.read_text()).groups())
    assert 0 < served < shown < 60 and 0 < cpu < 60
    capsys.readouterr()
    assert start.main([str(model) + '.none', str(clip), '--runs', '1']) == 2
    assert 'error: the page did not start: error: ' in capsys.readouterr().err
