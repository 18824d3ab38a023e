"""What computes here, for the captions of measurements."""
from __future__ import annotations

import platform
from pathlib import Path


def cpu_name() -> str:
    """Model of the processor; the architecture where the system does not tell it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text(encoding='utf-8', errors='replace').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()
