"""Segment a live picture and look at it in a browser, or without one.

    python -m medseg.live MODEL [SOURCE ...]             a page on http://127.0.0.1:8765
    python -m medseg.live MODEL SOURCE --no-page --record OUT.mp4

MODEL is an exported file (.onnx, .xml) or a folder of them. SOURCE is a video, a folder of images,
an image, a camera (0, /dev/video0), a stream (rtsp://, http://), a GStreamer pipeline where OpenCV
has it, or a kind that a module of --import adds. No medical device.
"""
from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
from pathlib import Path

from medseg.errors import UserError
from medseg.runtime.session import BACKENDS

PORT = 8765
LOOPBACK = ('127.0.0.1', 'localhost', '[::1]', '::1')


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog='python -m medseg.live', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='.onnx or .xml file, or a folder of them')
    parser.add_argument('source', nargs='*', help='what to show; the page lets you choose')
    parser.add_argument('--backend', choices=('auto', *BACKENDS), default='auto')
    parser.add_argument('--threads', type=int, help='threads of the backend (default: it chooses)')
    parser.add_argument('--score-thr', type=float, default=0.25,
                        help='objects need a higher score to appear (default: 0.25)')
    parser.add_argument('--budget-ms', type=float, metavar='N',
                        help='longest time from capture to picture; the input is made smaller, or '
                        'frames are skipped, to keep it')
    parser.add_argument('--no-smoothing', action='store_true',
                        help='show each frame as it was found')
    parser.add_argument('--no-tidy', action='store_true', help='leave masks as they were found')
    parser.add_argument('--once', action='store_true',
                        help='files and folders end instead of beginning again')
    parser.add_argument('--import', dest='imports', action='append', default=[], metavar='MODULE',
                        help='a module that adds kinds of sources, such as projects.lmsfa.live')
    page = parser.add_argument_group('page')
    page.add_argument('--host', default='127.0.0.1',
                      help='address to listen on; any but the default asks viewers for a token')
    page.add_argument('--port', type=int, default=PORT, help=f'0 for any (default: {PORT})')
    page.add_argument('--token', help='at least 16 letters (default: a new one every time)')
    page.add_argument('--out', type=Path, default=Path('live'),
                      help='folder of recordings (default: live)')
    page.add_argument('--max-upload-mb', type=int, default=500,
                      help='largest file that may be sent (default: 500)')
    page.add_argument('--grace', type=float, default=10.0, metavar='SECONDS',
                      help='after the last viewer has gone the stream rests (default: 10)')
    terminal = parser.add_argument_group('without a page')
    terminal.add_argument('--no-page', action='store_true', help='no server')
    terminal.add_argument('--record', type=Path, metavar='OUT.mp4',
                          help='record the pictures; their objects go to OUT.jsonl')
    terminal.add_argument('--jsonl', type=Path, metavar='OUT.jsonl', help='objects alone')
    terminal.add_argument('--every-frame', action='store_true',
                          help='drop nothing: a file is worked on as fast as it goes')
    args = parser.parse_args(argv)
    for option in ('record', 'jsonl', 'every_frame'):
        if getattr(args, option) and not args.no_page:
            parser.error(f'--{option.replace("_", "-")} goes with --no-page; the page has a button')
    if args.no_page and len(args.source) != 1:
        parser.error('--no-page needs one SOURCE')
    if args.record and args.record.suffix.lower() != '.mp4':
        parser.error(f'--record {args.record}: the name must end in .mp4')
    if not 0 <= args.score_thr <= 1:
        parser.error(f'--score-thr {args.score_thr}: must be between 0 and 1')
    if args.budget_ms is not None and args.budget_ms <= 0:
        parser.error(f'--budget-ms {args.budget_ms:g}: must be above 0')
    if args.token is not None and len(args.token) < 16:
        parser.error('--token: needs at least 16 letters')
    return args


def settings_of(args: argparse.Namespace):
    """Settings of the command line."""
    from medseg.runtime.cleanup import FOR_VIEWERS, CleanUp

    from .engine import Settings, smoothing_of
    return Settings(threshold=args.score_thr, budget_ms=args.budget_ms,
                    clean_up=CleanUp() if args.no_tidy else FOR_VIEWERS,
                    smoothing=smoothing_of('off' if args.no_smoothing else 'on'))


def find_models(path: Path) -> list[Path]:
    """Model files that a command line names.

    Raises:
        UserError: There is no such file, or no model in the folder.
    """
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in ('.onnx', '.xml'))
    if not found:
        raise UserError(f'{path}: no .onnx or .xml file in this folder; make one with '
                        'tools/deploy.py')
    return found


def main(argv=None) -> int:
    """Run; returns 0, 1 when the source failed, 2 on wrong input."""
    args = parse_args(argv)
    try:
        for module in args.imports:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise UserError(f'--import {module}: {error}; is it on the path?') from error
        if args.no_page:
            from .terminal import run
            return run(args, settings_of(args))
        return serve(args)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


def serve(args: argparse.Namespace) -> int:
    """Run the page until Ctrl-C or SIGTERM.

    Raises:
        UserError: Wrong input.
    """
    import secrets
    import socket

    try:
        import uvicorn

        from .server import create_app
    except ImportError as error:
        raise UserError(f"the page needs {error.name}; pip install 'medseg[live]'") from error
    from .studio import Studio

    local = args.host in LOOPBACK
    token = None if local else args.token or secrets.token_urlsafe(16)
    listener = socket.socket(socket.AF_INET6 if ':' in args.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((args.host.strip('[]'), args.port))
    except OSError as error:
        raise UserError(f'--host {args.host} --port {args.port}: cannot listen there '
                        f'({error.strerror}); name another port with --port') from error
    listener.listen(64)  # who follows the address that is printed below must not be refused
    studio = Studio(find_models(args.model), args.source, args.out, settings_of(args),
                    args.backend, args.threads, not args.once, args.grace)
    app = create_app(studio, LOOPBACK if local else (), token, args.max_upload_mb << 20)
    server = _Server(uvicorn.Config(app, log_level='warning', timeout_graceful_shutdown=2,
                                    ws_max_size=1 << 16))
    name = f'[{args.host}]' if ':' in args.host.strip('[]') else args.host
    address = f'http://{name}:{listener.getsockname()[1]}/'
    print(f'{address}{f"?token={token}" if token else ""}\n'
          'Ctrl-C ends it.' + ('' if local else ' Whoever has this address sees the picture; it '
                               'is not encrypted.'), flush=True)
    server.run([listener])
    return 0


class _Server:
    """uvicorn, ended by Ctrl-C and SIGTERM without a traceback and with its clean-up done."""

    def __init__(self, config) -> None:
        import contextlib

        import uvicorn

        class Quiet(uvicorn.Server):
            """Leaves the signals to us: uvicorn raises them again when it is done."""

            capture_signals = contextlib.nullcontext

        self._server = Quiet(config)

    def run(self, sockets: list) -> None:
        def stop(*_) -> None:
            self._server.should_exit = True

        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, stop)
                      for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._server.run(sockets)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


if __name__ == '__main__':
    raise SystemExit(main())
