"""LMSF-A-n, release wiring, with Eq. 16's gradient consistency."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
model = dict(
    type='AuxiliarySegmentor',
    aux_losses=dict(
        loss_gc=dict(type='GradientConsistencyLoss', in_channels=64)))
