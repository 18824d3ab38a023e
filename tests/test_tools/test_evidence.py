"""docs/evidence.md: results are cells of other pages' tables, and the page is up to date."""
import json

import pytest
from tool_runs import ROOT, load_tool

from medseg.tables import markdown, parse

TOOL = 'tools/docs/evidence.py'


@pytest.fixture
def page(tmp_path):
    """Two documents and a claim."""
    figures = markdown(['model', 'ms', 'ratio', 'MB', 'ratio'], [['a', '5', '0.5', '7', '0.7'],
                                                                 ['[b](x.py)', '9', '0.9', '', '']])
    less = markdown(['less a', 'ms'], [['b', '+4'], ['b', '+5']])
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'docs/other.md').write_text(
        f'<!-- table: t -->\n{figures}\n\n{less}\n\ntext\n<!-- end of table -->\n')
    (tmp_path / 'docs/evidence.md').write_text('<!-- table: evidence -->\n<!-- end of table -->\n')
    place = dict(document='docs/other.md', table='t', row='b', label='x')
    return tmp_path, place


def test_cells_are_copied(page):
    root, place = page
    tool = load_tool(TOOL)

    def cell(**changes):
        return tool.cell(root, dict(place, **changes))

    assert cell(column='ms') == '9' and cell(column='ms', first='less a') == '+4'
    assert cell(column='ratio') == '0.9'
    assert cell(column='ratio', row='a', occurrence=2) == '0.7'
    # an empty cell, a missing row, column or occurrence: not measured
    assert cell(column='MB') is None and cell(column='x') is None
    assert cell(column='ms', row='c') is None and cell(column='ms', occurrence=2) is None


def test_page_is_written_and_checked(page, capsys, error_of):
    root, place = page
    claim = dict(claim='fast', by='us', test='timed', verdict='yes', command='run',
                 results=[dict(place, column='ms'), dict(place, column='MB')])
    path, document = root / 'claims.json', root / 'docs/evidence.md'
    words = ['--claims', str(path), '--document', str(document)]
    path.write_text(json.dumps([claim, dict(claim, results=claim['results'][1:])]))
    tool = load_tool(TOOL)
    assert tool.main([*words, '--check']) == 1
    assert tool.main(words) == 0 and tool.main([*words, '--check']) == 0
    text = document.read_text()
    assert '| fast | us | timed | x 9; x not measured | yes | `run` [other](other.md) |' in text
    assert '| x not measured | open |' in text
    path.write_text(json.dumps([{'claim': 'x'}]))
    assert "claim 1: has no 'by'" in error_of(TOOL, *words)
    path.write_text(json.dumps([dict(claim, results=[dict(place, table='none', column='ms')])]))
    assert 'other.md: needs one "<!-- table: none -->"' in error_of(TOOL, *words)


def test_the_projects_own_page(monkeypatch):
    monkeypatch.chdir(ROOT)
    tool = load_tool(TOOL)
    assert tool.main(['--check']) == 0
    # what is quoted of finished trainings is really there
    claims = json.loads((ROOT / 'docs/evidence.json').read_text())
    found = {c['claim']: [tool.cell(ROOT, place) for place in c['results']] for c in claims}
    assert found['LMSF-A-n has 1.8 M parameters and 8.8 GFLOPs'][0] == '1,829,607'
    assert all(found['LMSF-A-n segments better than YOLOv8n-seg'])


def test_markdown_tables_are_read_back():
    text = markdown(['a', 'b|c'], [['x|y', '1']]) + '\n\ntext\n\n' + markdown(['d'], [['2'], ['3']])
    assert parse(text) == [(['a', 'b|c'], [['x|y', '1']]), (['d'], [['2'], ['3']])]
