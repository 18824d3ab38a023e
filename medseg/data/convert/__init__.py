"""Readers of annotation formats and the shared core that writes COCO from them.

A converter is a thin reader that yields :class:`~.records.SourceImage` objects and tells a
:class:`~.report.ConversionReport` about every record it cannot use; :func:`~.writer.convert`
does the rest. Nothing here imports torch.
"""
