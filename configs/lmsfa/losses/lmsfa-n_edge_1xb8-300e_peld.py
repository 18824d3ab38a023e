"""LMSF-A-n, release wiring, with Eq. 22's edge loss."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
model = dict(
    type='AuxiliarySegmentor',
    aux_losses=dict(
        loss_edge=dict(type='EdgeLoss', in_channels=64)))
