"""Readers of annotation formats and the shared core that writes COCO from them.

A converter is a thin reader that yields a :class:`~.records.Reading` for each file: the image, and
findings about every record it cannot use. :func:`~.writer.convert` does the rest: it alone fills
the :class:`~.conversion_report.ConversionReport`. Nothing here imports torch.
"""
