"""LMSF-A edge, size n, that also learns row 1's maps: SynPELD, 320x320, 30 epochs of AdamW.

The teacher's weights are trained first, with the config that is named here:
``--cfg-options model.aux_losses.loss_distill.teacher_checkpoint=FILE`` for another place.
"""
_base_ = [
    '../../_base_/models/lmsfa_edge_n.py', '../../_base_/datasets/synpeld-320_instance.py',
    '../../_base_/schedules/adamw_30e.py', '../../_base_/default_runtime.py'
]
teacher = 'lmsfa-n_base_1xb8-adamw-30e_synpeld'
model = dict(
    type='AuxiliarySegmentor',
    aux_losses=dict(
        loss_distill=dict(
            type='ChannelWiseDistillation',
            teacher=f'configs/lmsfa/ablation/{teacher}.py',
            teacher_checkpoint=f'work_dirs/{teacher}/epoch_30.pth',
            in_channels=(64, 64, 64),
            teacher_channels=(64, 128, 256))))
