"""A runner whose terminal shows what matters before the first iteration; the file has it all."""
from __future__ import annotations

import logging

from mmengine.logging import MMLogger

#: Lines of a message that a terminal still gets while the runner is built.
_LINES = 8
#: Messages of which there is one for every parameter of a model.
_PER_PARAMETER = 'paramwise_options'


class _ShortMessages(logging.Filter):
    """Keeps long reports (environment, config, hooks) off a terminal while it is closed."""

    closed = True

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        text = record.getMessage()
        return not self.closed or record.levelno > logging.INFO or (
            text.count('\n') < _LINES and not text.startswith(_PER_PARAMETER))


class TerseLog:
    """For runners: the environment, the config and the list of hooks go to the log file only.

    The config also lies in the work dir. Once training, validation or testing begins, the terminal
    shows everything.
    """

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """The usual logger, with a filter on what writes to the terminal."""
        logger = super().build_logger(*args, **kwargs)
        self._short = _ShortMessages()
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(self._short)
        return logger

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """The usual; opens the terminal at the first step of any loop."""
        if fn_name.endswith('_iter'):
            self._short.closed = False
        super().call_hook(fn_name, **kwargs)
