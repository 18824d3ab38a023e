"""The paper's tables as data."""
from pathlib import Path

import pytest
import torch
from torch import nn

from medseg.benchmark.complexity import Complexity
from medseg.benchmark.references import VALUE_UNITS, convention_of, printed, register_tables
from projects.lmsfa.paper import PAPER_TABLES, paper_flops

ROWS = [(name, row) for name, table in PAPER_TABLES.items() for row in table.rows]


def values(table, name):
    return next(row.values for row in PAPER_TABLES[table].rows if row.name == name)


@pytest.mark.parametrize('table, row', ROWS, ids=[f'{t}-{r.name}' for t, r in ROWS])
def test_row(table, row):
    assert set(row.values) <= set(VALUE_UNITS)
    assert Path(row.config).is_file()
    # A row without figures says why it is there.
    assert row.values or row.note


def test_names_are_unique_within_a_table():
    for table in PAPER_TABLES.values():
        assert len({row.name for row in table.rows}) == len(table.rows)


@pytest.mark.parametrize('table, name, ablation', [
    ('table6', 'EMA', 'C2f-Pro'), ('table7', 'C2f-Pro', 'C2f-Pro'), ('table8', 'LMSH', 'LMSH')])
def test_own_row_is_an_ablation_row(table, name, ablation):
    """Which tells what the other rows of that table were measured on."""
    own, row = values(table, name), values('table5', ablation)
    assert own.items() <= row.items()
    configs = {r.name: r.config for t, r in ROWS if t in (table, 'table5')}
    assert configs[name] == configs[ablation]


def test_accuracy_of_tables_ii_and_iii_agrees():
    for name, ablation in (('YOLOv8-seg', 'baseline'), ('LMSF-A', 'C2f-Pro + Neck + LMSH')):
        for key in ('mask_map', 'mask_map50'):
            assert values('table2', name)[key] == values('table5', ablation)[key]


def test_misprinted_rows_are_ten_times_the_ablation():
    yolov8, baseline = values('table4', 'YOLOv8-seg'), values('table5', 'baseline')
    assert yolov8['params_m'] / baseline['params_m'] == pytest.approx(10, rel=0.01)
    assert yolov8['gflops'] / baseline['gflops'] == pytest.approx(10, rel=0.01)


def test_paper_flops_counts_a_transposed_convolution_four_times():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.upsample = nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 8, 2, 2)

    # 10x10: 10 * 10 * 3 * 8 and 10 * 10 * 8 * 8 * 2 * 2 multiply-accumulates.
    counts = Complexity(0, 2400 + 25600, {'conv': (32, 2400), 'upsample': (264, 25600)})
    assert paper_flops(Model(), counts) == 2 * (2400 + 4 * 25600)
    assert paper_flops(nn.Conv2d(3, 8, 1), Complexity(0, 2400)) == 4800


def test_surplus_of_the_prototypes_is_that_of_the_docs(build_model):
    from medseg.benchmark.complexity import count
    with torch.no_grad():
        model = build_model('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py')
        counts = count(model, 160, 160)
    # 64 -> 64 channels from 20x20, three surplus times; 16 times as much at 640x640: 0.629 G.
    surplus = paper_flops(model, counts) - counts.flops
    assert surplus == 2 * 3 * 20 * 20 * 64 * 64 * 4
    assert surplus * 16 / 1e9 == pytest.approx(0.629, abs=5e-4)


def test_what_the_tables_print_about_a_config():
    """The later table counts: Table IV prints 189.3 FPS, Table V 191.7 for the same model."""
    values, note = printed('lmsfa-n_1xb8-300e_peld.py')
    assert values['fps'] == 191.7 and values['mask_precision'] == 78.9
    assert 'Table IV prints 189.3' in note
    assert printed('other.py') == ({}, '')


def test_a_convention_for_every_detector():
    assert convention_of('YOLACT').text == 'MACs at 550x550'
    assert convention_of('MaskRCNN').height == 800


def test_a_table_is_registered_once():
    register_tables(PAPER_TABLES)  # the same again changes nothing
    with pytest.raises(ValueError, match="'table5' is registered twice"):
        register_tables({'table5': PAPER_TABLES['table4']})
