"""LightMedSeg, configuration A: 480,084 parameters, 14.67 GFLOPs at 4 x 128^3."""
model = dict(
    type='VolumeSegmentor',
    network=dict(type='LightMedSegNet', in_channels=4, num_classes=4),
    loss=dict(type='LightMedSegLoss'),
    test_cfg=dict(roi_size=(96, 96, 96), overlap=0.5))
