"""A process that measures what it is told, one request a line, so that a crash costs one cell.

Requests and answers are JSON: ``{"measure": "latency", "config": PATH, ...}``; ``{"ok": {...}}``,
``{"unsupported": TEXT}`` or ``{"error": TEXT}``. Whatever the models print goes to stderr.
"""
from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

HALF = ('fp16', 'bf16')


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Measure one thing; errors become text."""
    from .flop_conventions import complexity
    from .latency import NotSupported, time_model
    from .memory import inference_memory, training_memory
    measures = dict(complexity=complexity, latency=time_model, training_memory=training_memory,
                    inference_memory=inference_memory)
    request = dict(request)
    try:
        measure = measures[request.pop('measure')]
        config = Config.fromfile(request.pop('config'))
        if config.get('custom_imports'):
            import_modules_from_strings(**config.custom_imports)
        return {'ok': measure(config, **request)}
    except NotSupported as error:
        return {'unsupported': str(error)}
    except Exception as error:  # a model that fails is a row with its error
        if isinstance(error, NotImplementedError) and request.get('precision') in HALF:
            return {'unsupported': str(error)}  # PyTorch's "not implemented for 'Half'"
        traceback.print_exc()
        return {'error': f'{type(error).__name__}: {error}'}


def main() -> int:
    """Answer requests from stdin until it ends."""
    from medseg.engine import compat
    channel = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    compat.setup()
    for line in sys.stdin:
        channel.write(json.dumps(answer(json.loads(line))) + '\n')
        channel.flush()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
