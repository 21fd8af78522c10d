"""An HTTP endpoint on this machine: python examples/http_endpoint.py [--port 8000] [--model BUNDLE]

curl --data-binary @photo.jpg localhost:8000/predict     a picture's bytes in, JSON out; 400 where it cannot be read
curl localhost:8000/health                               the self-test, on this very device; 503 where it fails
"""

import argparse
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import BoundedSemaphore, Timer

from digits_edge.runtime import Classifier, MissingExtra, PictureError

MAX_BYTES = 20_000_000
MAX_SECONDS = 30  # of a whole request
THREADS = 16  # requests at the same time; others wait for their turn


class Handler(BaseHTTPRequestHandler):
    """All threads share the one classifier."""

    classifier: Classifier

    def handle(self) -> None:
        """Answer one request, or hang up on a client that is too slow."""
        limit = Timer(MAX_SECONDS, hang_up, [self.connection])
        limit.start()
        try:
            super().handle()
        finally:
            limit.cancel()

    def do_POST(self) -> None:
        """Classify the picture in the body."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self.answer(404, {"error": f"expected /predict, received {self.path}"})
        elif not (length.isascii() and length.isdecimal()):
            self.answer(411, {"error": "expected a Content-Length"})
        elif len(length) > 12 or int(length) > MAX_BYTES:
            self.answer(413, {"error": f"expected at most {MAX_BYTES:,} bytes, received {length[:12]}"})
        else:
            picture = self.rfile.read(int(length))
            if len(picture) < int(length):
                return  # the client has gone, or was too slow
            try:
                prediction = self.classifier.predict(picture)
            except PictureError as error:
                self.answer(400, {"error": str(error)})
                return
            except MissingExtra as error:
                self.answer(501, {"error": str(error)})
                return
            probabilities = dict(zip(self.classifier.labels, prediction.probabilities.tolist(), strict=True))
            self.answer(
                200,
                {
                    "label": prediction.label,
                    "score": prediction.score,
                    "accepted": prediction.accepted,
                    "reason": prediction.reason,
                    "probabilities": probabilities,
                },
            )

    def do_GET(self) -> None:
        """Say whether this device answers as the machine did that made the model."""
        if self.path != "/health":
            self.answer(404, {"error": f"expected /health, received {self.path}"})
            return
        result = self.classifier.self_test()
        self.answer(200 if result.passed else 503, asdict(result))

    def answer(self, status: int, body: dict[str, object]) -> None:
        """Send JSON."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep quiet: one line a request is for whoever wants it."""


class Server(HTTPServer):
    """Answers on a bounded number of threads; the system keeps other clients in a queue."""

    request_queue_size = 1024

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.pool = ThreadPoolExecutor(THREADS)
        self.free = BoundedSemaphore(THREADS)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Answer on the next free thread."""
        self.free.acquire()
        self.pool.submit(self.work, request, client_address)

    def work(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Answer one request, on a thread."""
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            self.free.release()

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Print the traceback of an error, unless the client has gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def hang_up(connection: socket.socket) -> None:
    """End a connection that another thread may be waiting for."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--model", help="a bundle or an .onnx; the package's model unless given")
    options = parser.parse_args()
    Handler.classifier = Classifier.load(options.model)
    with Server(options.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/predict", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
