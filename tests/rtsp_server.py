"""A camera that speaks RTSP: one client at a time, an MPEG transport stream within the session."""
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import imageio_ffmpeg

#: Of a transport stream, as many as fit into a packet of a usual network.
PACKET = 7 * 188
SDP = ('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n'
       'm=video 0 RTP/AVP 33\r\nc=IN IP4 127.0.0.1\r\na=control:track\r\n')


def transport_stream(clip: Path) -> bytes:
    """A clip as MPEG-2 in a transport stream, with a key frame every five frames."""
    return subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), '-loglevel', 'error', '-i', str(clip), '-c:v',
         'mpeg2video', '-q:v', '4', '-g', '5', '-f', 'mpegts', 'pipe:1'],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout


class RtspCamera:
    """Serves a clip again and again at ``rtsp://127.0.0.1:PORT/live``; a context manager.

    Args:
        clip (Path): What it shows.
        seconds (float): Of the clip.
    """

    def __init__(self, clip: Path, seconds: float) -> None:
        self._stream, self._seconds = transport_stream(clip), seconds
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live'
        self._client, self._open, self.sessions = None, True, 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._open = False
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(10)

    def cut(self):
        """The connection of who looks on is lost."""
        if self._client is not None:
            try:
                self._client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone by itself

    def _serve(self):
        while self._open:
            try:
                self._client = self._listener.accept()[0]
                with self._client:
                    self._talk(self._client)
            except OSError:
                pass  # cut, or closed

    def _talk(self, client):
        lines = client.makefile('rb')
        while True:
            request = []
            while (line := lines.readline().decode().strip()) or not request:
                if not line:
                    return
                request.append(line)
            verb, fields = request[0].split()[0], dict(
                line.split(': ', 1) for line in request[1:] if ': ' in line)
            answer, body = {'OPTIONS': 'Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n',
                            'DESCRIBE': f'Content-Type: application/sdp\r\n'
                                        f'Content-Length: {len(SDP)}\r\n',
                            'SETUP': 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n'
                            }.get(verb, ''), SDP if verb == 'DESCRIBE' else ''
            # Datagrams are refused, as behind firewalls: what asks for them comes back by TCP.
            status = '461 Unsupported transport' if verb == 'SETUP' and \
                'TCP' not in fields['Transport'] else '200 OK'
            client.sendall(f'RTSP/1.0 {status}\r\nCSeq: {fields["CSeq"]}\r\nSession: 1\r\n{answer}'
                           f'\r\n{body}'.encode())
            if verb == 'PLAY':
                self.sessions += 1
                self._play(client)

    def _play(self, client):
        packets = [self._stream[i:i + PACKET] for i in range(0, len(self._stream), PACKET)]
        number, start = 0, time.monotonic()
        while self._open:
            data = packets[number % len(packets)]
            moment = number * self._seconds / len(packets)
            time.sleep(max(start + moment - time.monotonic(), 0))
            header = struct.pack('!BBHII', 0x80, 33, number & 0xffff, int(90000 * moment), 7)
            client.sendall(struct.pack('!cBH', b'$', 0, len(header) + len(data)) + header + data)
            number += 1
