"""LMSF-A-n, release wiring, with both training-only losses (Eq. 16, 22)."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
model = dict(
    type='AuxiliarySegmentor',
    aux_losses=dict(
        loss_gc=dict(type='GradientConsistencyLoss', in_channels=64),
        loss_edge=dict(type='EdgeLoss', in_channels=64)))
