"""Our parameters beside the paper's."""
import json

import pytest
from tool_runs import ROOT, load_tool

#: GFLOPs, where the paper's figure is not that of what its text names; the notes say so.
ODD_FLOPS = {'C2f-CG', 'LADH'}


@pytest.fixture(scope='module')
def tool():
    """The tool, imported with its neighbours in reach as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'tools' / 'docs'))
        yield load_tool('tools/docs/paper_parameters.py')


@pytest.fixture(scope='module')
def run(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp('paper')
    page = folder / 'models.md'
    page.write_text('before\n<!-- table: paper-parameters -->\nold\n<!-- end of table -->\nafter\n')
    assert tool.main(['--tables', 'table7', 'table8', '--document', str(page),
                      '--json', str(folder / 'out.json')]) == 0
    return page.read_text(), json.loads((folder / 'out.json').read_text())


def test_every_row_is_within_three_per_cent(run):
    rows = run[1]
    assert len(rows) == 8
    for row in rows:
        assert row['params_m'] == pytest.approx(row['printed']['params_m'], rel=0.03), row['name']
        if row['name'] not in ODD_FLOPS:
            assert row['paper_gflops'] == pytest.approx(row['printed']['gflops'], abs=0.06)


def test_document(run):
    page, _ = run
    lines = page.splitlines()
    assert lines[0] == 'before' and lines[-1] == 'after' and 'old' not in lines
    assert ('| [LMSH](../configs/lmsfa/ablation/lmsfa-n_lmsh_1xb8-300e_peld.py) | 2.505 | 2.5 '
            '| +0.2 % | 9.42 | 10.05 | 10.0 | +0.5 % |') in lines
    # The number behind a name is that of its note.
    faster = next(line for line in lines if line.startswith('| [C2f-Faster]'))
    number = faster.split(') (')[1].split(')')[0]
    assert next(line for line in lines if line.startswith(f'{number}. ')).endswith(
        "FasterNet's sizes.")


def test_document_without_the_place_is_left_alone(tool, tmp_path, capsys):
    page = tmp_path / 'page.md'
    page.write_text('nothing')
    assert tool.main(['--document', str(page)]) == 2
    assert ('page.md: needs one "<!-- table: paper-parameters -->"'
            in capsys.readouterr().err)
    assert page.read_text() == 'nothing'
    assert tool.main(['--document', str(tmp_path / 'absent.md')]) == 2
    assert 'absent.md: no such document' in capsys.readouterr().err
