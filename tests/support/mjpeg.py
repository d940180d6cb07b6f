"""A network camera: MJPEG over HTTP, whose picture tells this machine's clock."""

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

_SIDE = 32


def shown_at(when: float, pictures: int) -> int:
    """Which of so many pictures is shown at that time, seconds since 1970: one a second in turn."""
    return int(when) % pictures


@contextlib.contextmanager
def mjpeg_server(
    sides: Sequence[tuple[int, int]], *, frames_a_second: float, seconds: float, at_once: int = 0
) -> Iterator[Callable[[str], str]]:
    """Serve while the block does; its address, given what stands before the host in it.

    A picture has a grey left and a grey right half, `sides`, each shown for a second in turn. A
    stream ends after `seconds`; it begins with `at_once` frames that do not wait for each other.
    """
    jpegs = [_jpeg(*pair) for pair in sides]
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            end, sent = time.time() + seconds, 0
            with contextlib.suppress(ConnectionError):
                while time.time() < end and not closing.is_set():
                    jpeg = jpegs[shown_at(time.time(), len(jpegs))]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
                    self.wfile.write(head.encode() + b"\r\n" + jpeg + b"\r\n")
                    sent += 1
                    if sent >= at_once:
                        closing.wait(1 / frames_a_second)

        def log_message(self, *args: object) -> None:
            del args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield lambda before: f"http://{before}127.0.0.1:{server.server_port}/stream.mjpg"
        finally:
            closing.set()
            server.shutdown()
            thread.join()


def _jpeg(left: int, right: int) -> bytes:
    pixels = np.full((_SIDE, 2 * _SIDE), left, np.uint8)
    pixels[:, _SIDE:] = right
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(stream, "JPEG", quality=95)
    return stream.getvalue()
