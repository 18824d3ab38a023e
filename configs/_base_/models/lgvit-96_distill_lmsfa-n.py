"""LGViT-96 as a student of LMSF-A-n's map at stride 16; the config names the weights."""
_base_ = './lgvit-96_distiller.py'
model = dict(
    teacher=dict(
        type='SingleStageInstanceSegmentor',
        backbone=dict(type='LMFE', deepen_factor=0.33, widen_factor=0.25,
                      block=dict(type='C2fPro'), out_indices=(0, 1, 2, 3, 4)),
        neck=dict(type='SSFFTFENeck', in_channels=(32, 64, 128, 256, 256), deepen_factor=0.33,
                  block=dict(type='C2fPro')),
        mask_head=dict(type='LMSHead', num_classes=4, in_channels=(64, 128, 256))),
    teacher_level=1,
    teacher_input=dict(mean=[0., 0., 0.], std=[255., 255., 255.]),
    # 256 channels of the student's embedding, 128 of the teacher's second level.
    adapter=(256, 128))
