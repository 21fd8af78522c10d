"""An HTTP endpoint on this machine: python examples/http_endpoint.py [--port 8000] [--model BUNDLE]

curl --data-binary @photo.jpg localhost:8000/predict     a picture's bytes in, JSON out; 400 where it cannot be read
curl localhost:8000/health                               the self-test, on this very device; 503 where it fails
"""

import argparse
import json
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from digits_edge.runtime import Classifier, PictureError

MAX_BYTES = 20_000_000


class Handler(BaseHTTPRequestHandler):
    """All threads share the one classifier."""

    classifier: Classifier
    timeout = 30  # seconds that a client may keep a thread waiting

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
            try:
                prediction = self.classifier.predict(self.rfile.read(int(length)))
            except PictureError as error:
                self.answer(400, {"error": str(error)})
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--model", help="a bundle or an .onnx; the package's model unless given")
    options = parser.parse_args()
    Handler.classifier = Classifier.load(options.model)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/predict", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
