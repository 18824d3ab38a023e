"""The page's server: FastAPI over a :class:`.studio.Studio`, a WebSocket for the pictures."""
from __future__ import annotations

import asyncio
import hmac
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import cv2
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medseg.errors import UserError

from .engine import Picture
from .results import correction_archive
from .studio import Studio
from .uploads import Job, kind_of

STATIC = Path(__file__).with_name('static')
COOKIE = 'medseg_live'
#: Seconds that a viewer has to take a picture before the next is offered all the same.
_PATIENCE_S = 5.0
#: Seconds between two reports of speed and state.
_PULSE_S = 0.5
_HEADERS = {
    'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; media-src 'self'; "
                               "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store'}


class Changes(BaseModel):
    """Settings as the page sends them; see :meth:`.studio.Studio.change`."""

    model_config = ConfigDict(extra='forbid')
    threshold: float | None = Field(None, ge=0, le=1)
    opacity: float | None = Field(None, ge=0, le=1)
    contour: float | None = Field(None, ge=0, le=10)
    labels: bool | None = None
    hidden: list[int] | None = None
    budget_ms: float | None = Field(None, ge=0, le=10000)
    smoothing: bool | None = None
    tidy: bool | None = None


class Choice(BaseModel):
    """Position in a list."""

    index: int | None


class Switch(BaseModel):
    """On or off."""

    on: bool


class Guard:
    """Lets in who may: known hosts, the page's own requests, and where it is wanted a token.

    A page from elsewhere that a browser on this machine shows must not reach the stream: its
    requests have another ``Origin``, and if its name was made to point here, another ``Host``.

    Args:
        app (ASGIApp): What is guarded.
        hosts (Sequence[str]): Names by which the server may be called; empty for any.
        token (str, optional): Asked for, as ``?token=`` on the page or as cookie.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], token: str | None) -> None:
        self.app, self.hosts, self.token = app, set(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] not in ('http', 'websocket'):
            await self.app(scope, receive, send)
            return
        async def send_with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        reason = self._refuse(HTTPConnection(scope))
        if reason is None:
            await self.app(scope, receive, send_with_headers)
        elif scope['type'] == 'http':
            await JSONResponse(dict(detail=reason), 403)(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close(4403, reason)

    def _refuse(self, connection: HTTPConnection) -> str | None:
        headers: Headers = connection.headers
        host = headers.get('host', '')
        name = host.rsplit(':', 1)[0] if not host.endswith(']') else host
        if self.hosts and name not in self.hosts:
            return f'this server is not {name}'
        origin = headers.get('origin')
        if origin is not None and origin.partition('://')[2] != host:
            return 'requests come from the page itself'
        if self.token is None:
            return None
        given = connection.cookies.get(COOKIE) or connection.query_params.get('token') or ''
        if hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        return 'open the address with the token that the terminal shows'


class Viewer:
    """A browser that looks on: it gets the newest picture whenever it has taken the last.

    Attributes:
        pinned: The picture at which it stands still, or None.
        shown: The last picture that was sent.
    """

    def __init__(self, studio: Studio, socket: WebSocket) -> None:
        self.studio, self.socket = studio, socket
        self.pinned: Picture | None = None
        self.shown: Picture | None = None
        self._loop = asyncio.get_running_loop()
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._drawn = -1

    def wake(self) -> None:
        """There is news; may be called in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    async def listen(self) -> None:
        """Take what the browser says, until it goes."""
        while True:
            said = json.loads(await self.socket.receive_text())
            if said.get('taken'):
                self._taken.set()
            if 'freeze' in said:
                self.pinned = self.shown if said['freeze'] else None
                self._drawn = -1
                self._news.set()

    async def send(self) -> None:
        """Send pictures as they come, and the state twice a second and when it changes."""
        told, last = -1, 0.0
        while True:
            await _within(_PULSE_S, self._news)
            self._news.clear()
            now = self._loop.time()
            if self.studio.version != told or now - last >= _PULSE_S:
                told, last = self.studio.version, now
                await self.socket.send_text(json.dumps(
                    dict(self.studio.describe(), frozen=self.pinned is not None)))
            await self._send_picture()

    async def _send_picture(self) -> None:
        if self.pinned is not None:
            if self._drawn == self.studio.version:
                return
            self._drawn = self.studio.version
            engine = self.studio.engine
            if engine is None:
                return
            picture = replace(self.pinned, image=await run_in_threadpool(
                engine.redraw, self.pinned))
            data = await run_in_threadpool(self.studio.encode, picture.image)
        else:
            if self.studio.jpeg is None or self.studio.jpeg[0] is self.shown:
                return
            picture, data = self.studio.jpeg
            self.shown = picture
        threshold = self.studio.settings.threshold if self.pinned else 0
        head = json.dumps(dict(
            number=picture.number, labels=picture.found.above(threshold).labels.tolist(),
            latency_ms=round(picture.times.latency_ms, 1), scale=picture.scale)).encode()
        self._taken.clear()
        await self.socket.send_bytes(len(head).to_bytes(4, 'big') + head + data)
        # A browser that is busy or in the background is asked again all the same.
        await _within(_PATIENCE_S, self._taken)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but not for longer."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()


def create_app(studio: Studio, hosts: Sequence[str] = (), token: str | None = None,
               max_upload: int = 500 << 20) -> FastAPI:
    """The page and what it calls.

    Args:
        studio (Studio): What runs; closed when the server ends.
        hosts (Sequence[str]): See :class:`Guard`.
        token (str, optional): See :class:`Guard`.
        max_upload (int): Largest file that may be sent, bytes.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(studio.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=hosts, token=token)
    viewers: dict[str, Viewer] = {}

    @app.exception_handler(UserError)
    async def tell(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse(dict(detail=str(error)), 400)

    @app.get('/')
    async def page(request: Request) -> Response:
        if token is not None and 'token' in request.query_params:
            # Out of the address, so that it stays out of histories and pictures of the screen.
            response = RedirectResponse('/')
            response.set_cookie(COOKIE, token, httponly=True, samesite='strict')
            return response
        return HTMLResponse((STATIC / 'index.html').read_text(encoding='utf-8'))

    app.mount('/static', StaticFiles(directory=STATIC))

    @app.websocket('/ws')
    async def watch(socket: WebSocket, viewer: str) -> None:
        await socket.accept()
        me = viewers[viewer] = Viewer(studio, socket)
        await run_in_threadpool(studio.join, me.wake)
        tasks = [asyncio.create_task(me.listen()), asyncio.create_task(me.send())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error and not isinstance(error, (WebSocketDisconnect, RuntimeError)):
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            viewers.pop(viewer, None)
            studio.leave(me.wake)

    @app.get('/api/state')
    def state() -> dict:
        return studio.describe()

    @app.post('/api/settings')
    def settings(changes: Changes) -> dict:
        studio.change(changes.model_dump(exclude_none=True))
        return studio.describe()

    @app.post('/api/source')
    def source(choice: Choice) -> dict:
        studio.choose_source(choice.index)
        return studio.describe()

    @app.post('/api/model')
    def model(choice: Choice) -> dict:
        studio.choose_model(-1 if choice.index is None else choice.index)
        return studio.describe()

    @app.post('/api/record')
    def record(switch: Switch) -> dict:
        (studio.start_recording if switch.on else studio.stop_recording)()
        return studio.describe()

    def picture_of(viewer: str) -> Picture:
        """What a viewer sees."""
        known = viewers.get(viewer)
        picture = (known and (known.pinned or known.shown)) or (studio.jpeg and studio.jpeg[0])
        if not picture:
            raise HTTPException(404, 'there is no picture yet')
        return picture

    @app.get('/api/snapshot.png')
    def snapshot(viewer: str = '') -> Response:
        picture = picture_of(viewer)
        image = studio.engine.redraw(picture) if studio.engine else picture.image
        return _download(cv2.imencode('.png', image)[1].tobytes(), 'image/png',
                         f'frame_{picture.number:06d}.png')

    @app.get('/api/correct.zip')
    def correct(viewer: str = '') -> Response:
        picture = picture_of(viewer)
        return _download(correction_archive(picture, studio.segmenter.class_names),
                         'application/zip', f'frame_{picture.number:06d}.zip')

    @app.get('/api/recordings/{index}')
    def recording(index: int) -> FileResponse:
        if not 0 <= index < len(studio.recordings):
            raise HTTPException(404, 'no such recording')
        path = studio.recordings[index]
        return FileResponse(path, filename=path.name)

    @app.post('/api/uploads')
    async def upload(request: Request, name: str = 'upload') -> dict:
        number, folder = studio.jobs.new_folder()
        try:
            kind = await _receive(request, folder / 'upload', max_upload)
            job = await run_in_threadpool(
                studio.jobs.begin, number, name, kind, studio.segmenter, studio.segmenter_lock,
                studio.settings)
        except BaseException:
            shutil.rmtree(folder)
            raise
        studio.touch()
        return job.describe()

    def find(number: str) -> Job:
        if number not in studio.jobs.jobs:
            raise HTTPException(404, 'no such upload')
        return studio.jobs.jobs[number]

    @app.get('/api/uploads/{number}')
    def job_state(number: str) -> dict:
        return find(number).describe()

    @app.get('/api/uploads/{number}/frames/{frame}.jpg')
    def job_frame(number: str, frame: int) -> Response:
        data = studio.jobs.frame(find(number), frame)
        if data is None:
            raise HTTPException(404, 'no such frame')
        return Response(data, media_type='image/jpeg')

    @app.get('/api/uploads/{number}/overlay')
    def job_overlay(number: str) -> FileResponse:
        job = find(number)
        path = job.video if job.kind == 'video' else job.picture
        if not path.is_file():
            raise HTTPException(404, 'it is not finished')
        return FileResponse(path, filename=f'{Path(job.name).stem}_overlay{path.suffix}')

    @app.get('/api/uploads/{number}/predictions.json')
    def job_predictions(number: str) -> Response:
        job = find(number)
        if not job.lines.is_file():
            raise HTTPException(404, 'it has not begun')
        return _download(studio.jobs.predictions(job).encode(), 'application/json',
                         f'{Path(job.name).stem}_predictions.json')

    return app


async def _receive(request: Request, path: Path, limit: int) -> str:
    """Write what is sent into a file; returns its kind.

    Raises:
        HTTPException: It is too large, or neither image nor video.
    """
    head, size = b'', 0
    with path.open('wb') as file:
        async for part in request.stream():
            if size < 16:
                head += part[:16]
            size += len(part)
            if size >= 16 and kind_of(head) is None:
                break
            if size > limit:
                raise HTTPException(413, f'the file is larger than {limit >> 20} MB; see '
                                    '--max-upload-mb')
            await run_in_threadpool(file.write, part)
    kind = kind_of(head)
    if kind is None:
        raise HTTPException(415, 'this is no image or video that can be read: JPEG, PNG, BMP, '
                            'TIFF, WebP, MP4, MOV, AVI, MKV, WebM, MPEG, WMV')
    return kind


def _download(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={
        'Content-Disposition': f"attachment; filename*=UTF-8''{quote(name)}"})
