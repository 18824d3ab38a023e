"""tools/docs/list_models.py, and whether docs/models.md lists every config."""
import re
import sys
from pathlib import Path

import pytest
from tool_runs import ROOT, load_tool

TOOL = 'tools/docs/list_models.py'
PARTS = ('models', 'recipes')


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(ROOT / 'tools/docs'), *sys.path])
    return load_tool(TOOL)


@pytest.fixture
def configs(tmp_path):
    """Two configs of a model and one of another recipe, in a folder of their own."""
    folder = tmp_path / 'configs'
    (folder / 'lmsfa').mkdir(parents=True)
    (folder / 'rtmdet').mkdir()
    for family, name, text in (
            ('lmsfa', 'lmsfa-n_1xb8-300e_peld', 'LMSF-A-n, the paper\'s recipe.'),
            ('rtmdet', 'rtmdet-ins_tiny_1xb8-300e_peld', 'RTMDet-Ins-tiny.\n\nMore.\n'),
            ('rtmdet', 'rtmdet-ins_tiny_1xb8-adamw-30e_dsb2018', 'RTMDet-Ins-tiny on nuclei.')):
        (folder / family / f'{name}.py').write_text(
            f'"""{text}"""\n_base_ = "{ROOT}/configs/{family}/{name}.py"\n')
    document = tmp_path / 'docs' / 'models.md'
    document.parent.mkdir()
    document.write_text(''.join(
        f'{part}\n<!-- table: {part} -->\nold\n<!-- end of table -->\n' for part in PARTS))
    return folder, document


def test_rows(tool, configs, capsys):
    folder, document = configs
    words = [str(document), '--configs', str(folder), '--size', '64']
    assert tool.main([*words, '--check']) == 1
    assert capsys.readouterr().err.count('no row for') == 3
    assert tool.main(words) == 0
    lines = document.read_text().splitlines()
    assert lines[2:5] == [
        '| config | what it is | code | paper, table | parameters | GFLOPs |',
        '| --- | --- | --- | --- | ---: | ---: |',
        "| [lmsfa-n_1xb8-300e_peld](../configs/lmsfa/lmsfa-n_1xb8-300e_peld.py) | LMSF-A-n, the "
        "paper's recipe | ours | II, III, IV, V, VI | 1,829,607 | 0.08 |"]
    assert '| RTMDet-Ins-tiny | mmdet |  | 5,616,071 | 0.24 |' in lines[5]
    assert lines[-2].endswith('| RTMDet-Ins-tiny on nuclei |')
    assert tool.main([*words, '--check']) == 0


def test_a_config_that_does_not_say_what_it_is(tool, configs, capsys):
    folder, document = configs
    (folder / 'lmsfa' / 'mute_1xb8-300e_peld.py').write_text(
        f'_base_ = "{ROOT}/configs/lmsfa/lmsfa-n_1xb8-300e_peld.py"\n')
    before = document.read_text()
    assert tool.main([str(document), '--configs', str(folder), '--size', '64']) == 2
    assert 'mute_1xb8-300e_peld.py: starts without a docstring' in capsys.readouterr().err
    assert document.read_text() == before


def test_every_config_is_in_the_document(tool, capsys):
    assert tool.main(['--check']) == 0, capsys.readouterr().err


def test_the_documents_links_lead_somewhere():
    text = (ROOT / 'docs/models.md').read_text()
    targets = re.findall(r'\]\(([^)#:]+)\)', text)
    assert len(targets) >= 60
    assert all((ROOT / 'docs' / Path(target)).exists() for target in targets)


def test_document_agrees_with_the_complexity_table():
    """The figures of the ablation that the README quotes."""
    readme = (ROOT / 'README.md').read_text()
    listed = (ROOT / 'docs/models.md').read_text()
    rows = re.findall(r'\[(lmsfa-\S+?)\]\S+ \| ([\d,]+) \| ([\d.]+) \|', readme)
    assert len(rows) >= 8
    for name, parameters, flops in rows:
        assert re.search(rf'\[{re.escape(name)}\].*\| {parameters} \| {flops} \|', listed)
