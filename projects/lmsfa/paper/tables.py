"""What the LMSF-A paper prints in Tables II to VIII, as data, beside the config of each row here.

The figures are copied digit by digit; nothing is corrected. What is known to be wrong, or what a
row is taken to be where the text is silent, stands in its note.

The paper's parameters are those of the model with its BatchNorms merged, cut off after one digit
and not rounded: 3.259 M is printed as 3.2. So even an exact rebuild may differ by up to 4 %. How
its FLOPs are counted is in ``flops.py``.
"""
from __future__ import annotations

from medseg.benchmark.references import ReferenceRow as PaperRow
from medseg.benchmark.references import ReferenceTable as PaperTable


def _complexity(params_m: float, gflops: float, fps: float) -> dict[str, float]:
    return dict(params_m=params_m, gflops=gflops, fps=fps)


def _accuracy(map50: float, map_: float, precision: float, recall: float) -> dict[str, float]:
    """Columns of Table II; its "A.R." is the recall."""
    return dict(mask_map50=map50, mask_map=map_, mask_precision=precision, mask_recall=recall)


def _ablation(params_m: float, gflops: float, fps: float, map50: float, map_: float
              ) -> dict[str, float]:
    return dict(_complexity(params_m, gflops, fps), mask_map50=map50, mask_map=map_)


def _lmsfa(name: str) -> str:
    return f'configs/lmsfa/{name}_1xb8-300e_peld.py'


LMSFA = _lmsfa('lmsfa-n')
#: Row in Tables II and IV -> config here.
BASELINES = {
    'Mask R-CNN': 'configs/mask_rcnn/mask-rcnn_r50_fpn_1xb8-300e_peld.py',
    'YOLACT': 'configs/yolact/yolact_r50_1xb8-300e_peld.py',
    'SOLOv2': 'configs/solov2/solov2_r50_fpn_1xb8-300e_peld.py',
    'Swin Mask R-CNN': 'configs/swin/mask-rcnn_swin-t_fpn_1xb8-300e_peld.py',
    'Mask2Former': 'configs/mask2former/mask2former_r50_1xb8-300e_peld.py',
    'ConvNeXt': 'configs/convnext/mask-rcnn_convnextv2-t_fpn_1xb8-300e_peld.py',
    'YOLOv8-seg': 'configs/yolov8/yolov8n-seg_1xb8-300e_peld.py',
    'YOLOv11-seg': 'configs/yolo11/yolo11n-seg_1xb8-300e_peld.py',
    'LMSF-A': LMSFA,
}

_TABLE2 = {
    'Mask R-CNN': _accuracy(75.9, 41.1, 74.8, 61.9),
    'YOLACT': _accuracy(70.8, 31.7, 68.5, 59.2),
    'SOLOv2': _accuracy(73.1, 41.8, 75.8, 67.3),
    'Swin Mask R-CNN': _accuracy(74.4, 36.5, 75.2, 68.4),
    'Mask2Former': _accuracy(74.8, 43.4, 78.4, 65.6),
    'ConvNeXt': _accuracy(76.0, 42.4, 77.8, 70.6),
    'YOLOv8-seg': _accuracy(72.0, 40.9, 75.4, 70.3),
    'YOLOv11-seg': _accuracy(70.7, 40.1, 80.6, 61.8),
    'LMSF-A': _accuracy(74.4, 43.0, 78.9, 73.3),
}
_TABLE4 = {
    'Mask R-CNN': _complexity(43.9, 259.0, 13.6),
    'YOLACT': _complexity(34.7, 61.3, 46.2),
    'SOLOv2': _complexity(46.2, 157.2, 11.3),
    'Swin Mask R-CNN': _complexity(47.4, 264.0, 9.3),
    'Mask2Former': _complexity(44.4, 262.1, 17.0),
    'ConvNeXt': _complexity(48.7, 268.2, 18.8),
    'YOLOv8-seg': _complexity(32.2, 120.0, 170.5),
    'YOLOv11-seg': _complexity(28.1, 102.8, 168.8),
    'LMSF-A': _complexity(1.8, 8.8, 189.3),
}
_MACS = ("The paper prints multiply-accumulates at 1280x800, the default of mmdet's counter, not "
         'FLOPs at 640x640.')
_TABLE4_NOTES = {
    'Mask R-CNN': _MACS, 'Swin Mask R-CNN': _MACS, 'Mask2Former': _MACS, 'ConvNeXt': _MACS,
    'YOLACT': 'The paper prints multiply-accumulates at 550x550, not FLOPs at 640x640.',
    'SOLOv2': 'The paper does not say at which size it counted.',
    'YOLOv8-seg': "Misprint, ten times too much: Table V, row 1, is the same model with 3.2 M and "
                  '12.1 G (YOLOv8n-seg).',
    'YOLOv11-seg': 'Misprint, ten times too much: YOLO11n-seg has 2.84 M and about 10 G.',
    'LMSF-A': 'Table V prints 191.7 FPS for the same model.',
}

_CUT = 'With BatchNorms merged {} M, cut off after one digit.'
_UNMERGED = ('The paper counted the FLOPs of this row before BatchNorms were merged, which adds '
             '0.12 G.')
_TABLE5 = (
    PaperRow('baseline', _lmsfa('ablation/lmsfa-n_base'),
             _ablation(3.2, 12.1, 170.8, 72.0, 40.9), f'YOLOv8n-seg. {_UNMERGED}'),
    PaperRow('C2f-Pro', _lmsfa('ablation/lmsfa-n_c2fpro'),
             _ablation(2.5, 10.3, 189.0, 72.3, 41.5)),
    PaperRow('Neck', _lmsfa('ablation/lmsfa-n_neck'), _ablation(3.2, 12.4, 166.3, 74.2, 42.8),
             _CUT.format('3.298')),
    PaperRow('LMSH', _lmsfa('ablation/lmsfa-n_lmsh'), _ablation(2.5, 10.0, 195.3, 72.0, 41.2)),
    PaperRow('C2f-Pro + Neck', _lmsfa('ablation/lmsfa-n_c2fpro-neck'),
             _ablation(2.5, 10.7, 180.1, 72.6, 42.5), _CUT.format('2.579')),
    PaperRow('C2f-Pro + LMSH', _lmsfa('ablation/lmsfa-n_c2fpro-lmsh'),
             _ablation(1.9, 8.4, 191.1, 72.5, 41.5),
             'The paper contradicts itself: this is row 8 without the neck, whose parameters it '
             'lacks, so it cannot be larger than row 8 (1.8 M). The FLOPs come out to the digit.'),
    PaperRow('Neck + LMSH', _lmsfa('ablation/lmsfa-n_neck-lmsh'),
             _ablation(2.5, 10.6, 187.2, 72.2, 42.3), _UNMERGED),
    PaperRow('C2f-Pro + Neck + LMSH', LMSFA, _ablation(1.8, 8.8, 191.7, 74.4, 43.0),
             'Table IV prints 189.3 FPS for the same model.'),
)

_BESIDE = ("In each unit of the baseline's backbone. The text names no placement; this one gives "
           'the printed figures, one in every RVB unit (2.5 M) does not.')
_INSIDE = 'Inside every RVB unit of LMSF-A; the paper does not print this variant.'
_TABLE6 = (
    PaperRow('SE', _lmsfa('attention/lmsfa-n_base-se'), _complexity(3.2, 10.2, 180.2),
             "The row contradicts itself. Its 3.2 M are SE in the baseline's units, which costs "
             "12.0 G; its 10.2 G are SE in RVB units, RepViT's own block, which has 2.5 M (next "
             'row).'),
    PaperRow('SE in RVB, row 2', _lmsfa('attention/lmsfa-n_c2fpro-se'),
             note='Ablation row 2 with SE for EMA: the other reading of the row above.'),
    PaperRow('AFGCAttention', _lmsfa('attention/lmsfa-n_base-afgc'),
             _complexity(3.2, 12.0, 183.8), _BESIDE),
    PaperRow('CPCA', _lmsfa('attention/lmsfa-n_base-cpca'), _complexity(3.3, 12.4, 182.3),
             f"{_BESIDE} By CPCA's equations; its release runs one 1x1 convolution three times, "
             'which gives 12.4 G.'),
    PaperRow('SimAM', _lmsfa('attention/lmsfa-n_base-simam'), _complexity(3.2, 12.0, 187.1),
             _BESIDE),
    PaperRow('EMA', _lmsfa('ablation/lmsfa-n_c2fpro'), _complexity(2.5, 10.3, 189.0),
             'Ablation row 2 to the digit: EMA is measured inside RVB units, AFGC, CPCA and SimAM '
             "outside them. What the row saves is RVB's doing, not EMA's."),
    PaperRow('SE in RVB', _lmsfa('attention/lmsfa-n_se'), note=_INSIDE),
    PaperRow('AFGCAttention in RVB', _lmsfa('attention/lmsfa-n_afgc'), note=_INSIDE),
    PaperRow('CPCA in RVB', _lmsfa('attention/lmsfa-n_cpca'), note=_INSIDE),
    PaperRow('SimAM in RVB', _lmsfa('attention/lmsfa-n_simam'), note=_INSIDE),
    PaperRow('EMA in RVB', LMSFA, note='LMSF-A itself, for comparison with the rows around it.'),
    PaperRow('RVB without attention', _lmsfa('attention/lmsfa-n_none'), note=_INSIDE),
    PaperRow('EMA in RVB, strides 16 and 32', _lmsfa('attention/lmsfa-n_ema-s16-s32'),
             note='In the backbone as Section III-B places it; the paper does not print this '
                  'variant.'),
)

_BASE7 = "On the baseline's neck and head: the C2f-Pro row is ablation row 2."
_TABLE7 = (
    PaperRow('C2f-CG', _lmsfa('c2f/lmsfa-n_cg'), _complexity(2.3, 10.9, 184.5),
             f"{_BASE7} CGNet's sizes. The printed FLOPs are not those of a model of 2.3 M made of "
             'these blocks: replacing the units saves 2.3 G of the baseline, not 1.1 G.'),
    PaperRow('C2f-Faster', _lmsfa('c2f/lmsfa-n_faster'), _complexity(2.5, 10.2, 197.5),
             f"{_BASE7} FasterNet's sizes."),
    PaperRow('C2f-Star', _lmsfa('c2f/lmsfa-n_star'), _complexity(2.7, 10.7, 182.8),
             f"{_BASE7} StarNet's sizes but the widening, 2 instead of 4: the text does not name "
             'it, and 2 gives the printed figures.'),
    PaperRow('C2f-Pro', _lmsfa('ablation/lmsfa-n_c2fpro'), _complexity(2.5, 10.3, 189.0)),
)
_BASE8 = "On the baseline's backbone and neck: the LMSH row is ablation row 4."
_TABLE8 = (
    PaperRow('LADH', _lmsfa('heads/lmsfa-n_ladh'), _complexity(2.5, 9.9, 196.6),
             f'{_BASE8} LADH is a detection head; its mask coefficients have a separable branch '
             'here, as the printed parameters ask for. The printed FLOPs are 0.8 G above what such '
             'a head costs.'),
    PaperRow('LQE', _lmsfa('heads/lmsfa-n_lqe'), _complexity(3.2, 12.0, 165.3),
             f"{_BASE8} GFLv2's sizes."),
    PaperRow('EfficientHead', _lmsfa('heads/lmsfa-n_efficient'), _complexity(4.0, 11.9, 172.9),
             f"{_BASE8} The text's reference (TokenHPE) defines no such head; this one, two 3x3 "
             'convolutions shared by classes and boxes, gives the printed figures.'),
    PaperRow('LMSH', _lmsfa('ablation/lmsfa-n_lmsh'), _complexity(2.5, 10.0, 195.3)),
)

#: Suite of the benchmark -> table. Table III's accuracy is in the rows of ``table5``.
PAPER_TABLES: dict[str, PaperTable] = {
    'table2': PaperTable('Table II: accuracy of instance-segmentation models on PELD', tuple(
        PaperRow(name, BASELINES[name], values) for name, values in _TABLE2.items())),
    'table4': PaperTable('Table IV: efficiency of instance-segmentation models', tuple(
        PaperRow(name, BASELINES[name], values, _TABLE4_NOTES[name])
        for name, values in _TABLE4.items())),
    'table5': PaperTable('Tables III and V: ablation of the main components', _TABLE5),
    'table6': PaperTable('Table VI: attention mechanisms', _TABLE6),
    'table7': PaperTable('Table VII: C2f modules', _TABLE7),
    'table8': PaperTable('Table VIII: segmentation heads', _TABLE8),
}
