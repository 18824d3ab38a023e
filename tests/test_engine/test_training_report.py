"""Which checkpoint of a work dir a training's report shows."""
import os

from medseg.engine.training_report import best_checkpoint


def test_best_checkpoint_of_a_work_dir(tmp_path):
    assert best_checkpoint(tmp_path) is None
    # The pointer holds a bare name, or that of the folder before it was moved.
    (tmp_path / 'last_checkpoint').write_text('epoch_3.pth\n')
    assert best_checkpoint(tmp_path) is None
    for name in ('epoch_3.pth', 'epoch_2.pth'):
        (tmp_path / name).touch()
    assert best_checkpoint(tmp_path) == tmp_path / 'epoch_3.pth'
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_2.pth')
    assert best_checkpoint(tmp_path) == tmp_path / 'epoch_2.pth'
    best = [f'best_coco_segm_mAP_epoch_{epoch}.pth' for epoch in (2, 1)]
    for age, name in enumerate(best):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    assert best_checkpoint(tmp_path) == tmp_path / best[0]
