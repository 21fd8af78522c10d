"""The server of the page: for this machine, this user and this page alone.

Any program and any web page on this machine can send requests to 127.0.0.1. So each address has a random token in it,
the headers Host and Origin must be this server's own (no name that leads here by DNS, no form of another site), and
the page may load nothing but what comes from here.
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from threading import Thread
from typing import Any, Final

from digits_edge.runtime.errors import DigitsEdgeError, UsageError, printable

from .pictures import Pictures

HOST: Final = "127.0.0.1"
MOST: Final = 10_000  # bytes of an answer
PAGE: Final = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class LabelServer(ThreadingHTTPServer):
    """Serves the page for some pictures, until its button Done is pressed or `shutdown` is called."""

    daemon_threads = True

    def __init__(self, pictures: Pictures, port: int = 0) -> None:
        """Listen on a port of this machine; any free one for 0.

        Raises:
            UsageError: The port is not free.
        """
        self.pictures = pictures
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(f"--port: cannot listen on port {port}: {error}") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, as `HTTPServer` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may be idle

    def do_GET(self) -> None:
        place = self._place()
        if place is None:
            return
        kind, _, number = place.partition("/")
        if place in PAGE:
            name, media = PAGE[place]
            self._send(HTTPStatus.OK, files(__package__).joinpath(name).read_bytes(), f"{media}; charset=utf-8")
        elif place == "pictures":
            self._answer(self.server.pictures.to_json)
        elif kind == "picture" and number.isdecimal() and int(number) < len(self.server.pictures.pictures):
            try:
                self._send(HTTPStatus.OK, self.server.pictures.shown(int(number)), "image/png")
            except (OSError, DigitsEdgeError):  # it has gone, or was changed
                self._send(HTTPStatus.NOT_FOUND)
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        place = self._place()
        if place is None:
            return
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Origin") not in {f"http://{host}" for host in self.server.hosts}:
            self._send(HTTPStatus.FORBIDDEN)
        elif self.headers.get("Content-Type") != "application/json" or not length.isdecimal() or int(length) > MOST:
            self._send(HTTPStatus.BAD_REQUEST)
        elif place == "label":
            self._label(self.rfile.read(int(length)))
        elif place == "done":
            self.rfile.read(int(length))
            self._send(HTTPStatus.OK)
            Thread(target=self.server.shutdown).start()  # it waits for this thread's loop
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def _label(self, body: bytes) -> None:
        try:
            given = json.loads(body)
            number, label = given["picture"], given["label"]
            if type(number) is not int or not (label is None or isinstance(label, str)):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            self._send(HTTPStatus.BAD_REQUEST)
            return
        self._answer(lambda: {"labelled": self.server.pictures.label(number, label)})

    def _place(self) -> str | None:
        """What is asked for, behind the token; None if the request is not the page's, which is answered."""
        token, _, place = self.path.partition("?")[0].lstrip("/").partition("/")
        known = hmac.compare_digest(token.encode(), self.server.token.encode())
        if known and self.headers.get("Host") in self.server.hosts:
            return place
        self._send(HTTPStatus.FORBIDDEN)
        return None

    def _answer(self, make: Any) -> None:
        """Send JSON, or the error that its making ends with."""
        try:
            status, content = HTTPStatus.OK, make()
        except DigitsEdgeError as error:
            status, content = HTTPStatus.CONFLICT, {"error": printable(str(error))}
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes = b"", media: str = "text/plain") -> None:
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):
            self.close_connection = True  # its body was not read
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": media, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def version_string(self) -> str:
        """The name in the header Server."""
        return "digits-edge"
