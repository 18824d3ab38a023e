"""Tables, CSV, the page and plots of a report made by hand."""
import base64
import csv
import io
import json
import re
from xml.etree import ElementTree

import pytest

from medseg.benchmark.accuracy import figures, join_results
from medseg.benchmark.html import html
from medseg.benchmark.model_lists import entries
from medseg.benchmark.plots import PLOTS, draw
from medseg.benchmark.report import SCHEMA, docs_table, document, flat_csv, markdown
from medseg.engine.training_curves import training_curves
from medseg.errors import UserError
from medseg.tables import fill
from projects.lmsfa.paper import PAPER_TABLES

MACHINE = dict(host='h', system='s', cpu='c', cores=2, threads=1, device='cpu', gpu=None,
               cuda=None, python='3', torch='2', mmengine='0', mmcv='2', mmdet='3')
SETTINGS = dict(size=640, batch=8, fuse=True, rounds=1, iterations=1, warm_up=0)


def part(value):
    return dict(p50_ms=value, p95_ms=value, p99_ms=value)


def run(seed=0, value=0.5):
    metrics = {f'coco/{kind}_{key}': value for kind in ('bbox', 'segm')
               for key in ('mAP', 'mAP_50', 'precision', 'recall', 'AR@100')}
    metrics.update({'coco/segm_bone_mAP': 0.25, 'coco/segm_nerve_mAP': 0.75, 'time': 1.0})
    return dict(name=f'a-seed{seed}', config='configs/x/a.py', seed=seed, status='finished',
                parameters=1_800_000, train_minutes=3.0, settings=dict(
                    epochs=30, size=320, recipe='adamw', data=None), metrics=metrics,
                intervals=dict(segm=dict(mAP=[0.4, 0.6], mAP_50=[0.45, 0.55])),
                resampled='patient', precision_recall=dict(bone=[1, 0.5, 0], nerve=[1, 1, 0]),
                curves=dict(loss=[[1, 3.0], [2, 2.0]], segm_mAP=[[2, 0.5]]))


@pytest.fixture
def report():
    good = dict(
        name='a', title='A <n>', config='configs/x/a.py', checkpoint=None, note='A | note.',
        paper=dict(params_m=1.8, gflops=8.8, fps=189.3, mask_map50=74.4), errors={},
        unsupported=dict(fp16='the processor has no fp16'), complexity=dict(
            parameters=1_829_607, macs=4_086_000_000, flops=8_172_000_000, paper_gflops=8.8,
            fused_parameters=1_800_000, fused_flops=8_000_000_000, paper_convention='X'),
        memory=dict(training=dict(mib=900.4), inference=dict(mib=70.2)), latency=dict(fp32=dict(
            preprocessing=part(1), network=part(3), postprocessing=part(1), total=part(5),
            fps=200.0, rounds=1, iterations=1, images='drawn')))
    bad = dict(name='b', title='b', config='b.py', checkpoint=None, note='', paper={},
               errors=dict(complexity='ValueError: it broke'), unsupported={})
    rows = [good, bad]
    files = dict(schema=1, runs=[run(0, 0.5), run(1, 0.7), dict(run(2), status='failed')])
    return rows, files


def finished(report, tmp_path, paper_data=True):
    rows, files = report
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(files))
    assert join_results(rows, [path]) == []
    return document(rows, MACHINE, SETTINGS, 'Title', ['C: not here'], paper_data)


def test_figures_over_seeds():
    found = figures([run(0, 0.5), run(1, 0.7)])
    assert found['mask_map50'] == 60 and found['seeds'] == 2
    assert found['spread']['mask_map50'] == pytest.approx(14.142, abs=1e-3)
    assert found['intervals']['mask_map'] == [40, 60]
    assert found['per_class'] == {'bone': 25, 'nerve': 75}


def test_document(report, tmp_path):
    content = finished(report, tmp_path)
    assert content['schema'] == SCHEMA
    row = content['rows'][0]
    assert row['own']['mask_map50'] == 60
    assert row['difference'] == {'params_m': 0.0296, 'gflops': 0.0, 'fps': 10.7,
                                 'mask_map50': -14.4, 'params_percent': 1.64}
    changed = dict(SETTINGS, cfg_options={'model.test_cfg.score_thr': 0.3})
    assert '- Changed in every config: model.test_cfg.score_thr=0.3.' in markdown(
        dict(content, settings=changed))
    text = markdown(content)
    assert 'Changed in every' not in text
    assert '| A <n>: a | 1,829,607 | 1.8 | +1.6 | 4.09 | 8.17 | 1,800,000 | 8.00 |' in text
    # The paper's count is at the paper's size, whatever ours is.
    own, theirs = text.split('## ')[1:3]
    assert own.startswith('Size and operations at 640×640\n') and 'convention' not in own
    assert theirs.startswith("Operations as the paper counts them, at the paper's size\n")
    assert '| A <n>: a | 8.80 | 8.8 | +0.00 |' in theirs
    assert '| 60.0 (45.0–55.0) | 74.4 |' in text
    assert 'over the patients of the test set' in text
    assert 'b: complexity FAILED: ValueError: it broke' in text
    assert 'No config here: C: not here' in text
    json.dumps(content, allow_nan=False)


def test_accuracies_on_other_data_stand_alone(report, tmp_path):
    content = finished(report, tmp_path, paper_data=False)
    row = content['rows'][0]
    assert row['own']['mask_map50'] == 60 and row['paper']['params_m'] == 1.8
    assert 'mask_map50' not in row['paper'] and 'mask_map50' not in row['difference']
    text = markdown(content)
    assert '74.4' not in text and '>74.4<' not in html(content, draw(content))
    assert "The paper's accuracies are on data of its own and not shown" in text


def test_axes_have_plain_numbers_and_each_model_its_name(report):
    """Operations of 1.1 to 1.9 G: no 1.3 x 10^0; names stand beside the plot, one under another."""
    rows = [dict(report[0][0], title=f'model {i}', complexity=dict(
        report[0][0]['complexity'], flops=flops)) for i, flops in enumerate((1.1e9, 1.3e9, 1.9e9))]
    svg = draw(document(rows, MACHINE, SETTINGS, 'Title'))['FLOPs against FPS (Figure 6)']
    assert '\\times' not in svg and 'mathdefault' not in svg
    places = [tuple(map(float, re.search(r'(?:translate\(|x=")([\d.]+)[ ,"y=]+([\d.]+)', text)
                    .groups())) for text in re.findall(r'<text([^>]*)>model \d<', svg)]
    assert len(places) == 3 and len({x for x, _ in places}) == 1
    heights = sorted(y for _, y in places)
    assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 7
    numbers = re.findall(r'<text[^>]*>([\d.]+)</text>', svg)
    assert {'1.2', '1.4', '1.6', '1.8'} <= set(numbers)


def test_csv(report, tmp_path):
    lines = list(csv.DictReader(io.StringIO(flat_csv(finished(report, tmp_path)))))
    assert [line['name'] for line in lines] == ['a', 'b']
    assert float(lines[0]['fp32_p50_ms']) == 5 and float(lines[0]['mask_map50']) == 60
    assert lines[1]['errors'] == 'complexity: ValueError: it broke'
    assert lines[1]['fp32_p50_ms'] == ''


def test_page_needs_nothing_else(report, tmp_path):
    content = finished(report, tmp_path)
    plots = draw(content)
    assert list(plots) == list(PLOTS)
    page = html(content, plots)
    assert not re.search(r'https?://|src="(?!data:)|@import|<link', page)
    assert page.count('<img') == len(PLOTS) and page.count('<table') == 6
    assert 'A &lt;n&gt;' in page and '<n>' not in page
    # each plot is a whole picture of its own, and opens nothing
    shown = [base64.b64decode(text).decode()
             for text in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]
    assert shown == list(plots.values())
    for svg in shown:
        assert ElementTree.fromstring(svg).tag == '{http://www.w3.org/2000/svg}svg'
        assert not re.search(r'href="(?!#)|@import', svg)


def test_no_data_no_plots():
    row = dict(name='b', title='b', config='b.py', checkpoint=None, note='', paper={},
               errors=dict(config='gone'), unsupported={})
    content = document([row], MACHINE, SETTINGS, 'Title')
    assert draw(content) == {}
    assert 'gone' in html(content, {}) and 'gone' in markdown(content)


def test_documents(report, tmp_path):
    path = tmp_path / 'results.md'
    path.write_text('# R\n<!-- table: all -->\nold\n<!-- end of table -->\nrest\n')
    fill(path, 'all', docs_table(finished(report, tmp_path)))
    text = path.read_text()
    assert 'old' not in text and text.endswith('<!-- end of table -->\nrest\n')
    assert '| A <n>: a | 1,829,607 | 1.8 |' in text
    with pytest.raises(UserError, match='table: other'):
        fill(path, 'other', 'x')


def test_curves_of_a_resumed_training(tmp_path):
    for name, lines in (('1', ['{"loss": 9.0, "epoch": 1}', '{"loss": 5.0, "epoch": 2}']), (
            '2', ['{"loss": 3.0, "epoch": 2}', '{"loss": 1.0, "epoch": 2}',
                  '{"coco/segm_mAP": 0.25, "step": 2}', '{"loss": 0.5, "ep'])):
        (tmp_path / name / 'vis_data').mkdir(parents=True)
        (tmp_path / name / 'vis_data' / 'scalars.json').write_text('\n'.join(lines))
    assert training_curves(tmp_path) == {'loss': [[1, 9.0], [2, 2.0]], 'segm_mAP': [[2, 0.25]]}


def test_suites():
    for suite, table in PAPER_TABLES.items():
        found, missing = entries([], suite)
        assert len(found) + len(missing) == len(table.rows)
        assert len({entry.name for entry in found}) == len(found)
    found, _ = entries(['lmsfa-n_1xb8-300e_peld.py', 'w.pth', 'other.py'], 'table5')
    assert len(found) == 9 and found[7].checkpoint == 'w.pth' and found[8].config == 'other.py'
    assert found[7].paper['mask_map50'] == 74.4
    found, _ = entries(['configs/lmsfa/lmsfa-n_1xb8-300e_peld.py', 'w.pth',
                        'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py', 'v.pth'])
    assert [entry.name for entry in found] == ['lmsfa-n_1xb8-300e_peld',
                                              'lmsfa-n_1xb8-300e_peld-2']
    for words, message in ((['w.pth'], 'follows the config'), ([], 'name at least')):
        with pytest.raises(UserError, match=message):
            entries(words)
