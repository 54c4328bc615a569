"""A small hub: a local server that speaks as much of the Hugging Face hub's protocol as its clients use.

It serves directories as repositories, so that the code path of a real hub id is run with ``HF_ENDPOINT``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds, and what it was asked.

    Args:
        repositories: ``"models/owner/name"`` or ``"datasets/owner/name"`` to its directory.
        gated: repositories that answer 401 to everyone.
        broken_after: bytes of a file after which the connection is dropped; None for whole files.
    """

    repositories: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    broken_after: int | None = None
    asked: list[str] = field(default_factory=list)
    endpoint: str = ""

    def find(self, path: str) -> tuple[str, str, list[str]] | None:
        """Kind and name of the repository in a URL's path, and what follows."""
        parts = [unquote(p) for p in path.split("/") if p]
        api = parts[:1] == ["api"]
        parts = parts[1:] if api else parts
        kind = parts.pop(0) if parts and parts[0] in ("models", "datasets") else "models"
        name = "/".join(parts[:2])
        return (kind, name, (["api"] if api else []) + parts[2:]) if f"{kind}/{name}" in self.repositories else None


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the hub on a free local port."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Keep the test's output clean."""

    def do_HEAD(self) -> None:
        """A file's size and hash."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A file, or what the API says of a repository."""
        self._answer(body=True)

    def do_POST(self) -> None:
        """``paths-info``: which of these paths there are."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        wanted = json.loads(content)["paths"] if content.startswith("{") else parse_qs(content).get("paths", [])
        self._answer(body=True, wanted=wanted)

    def _answer(self, body: bool, wanted: list[str] | None = None) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        found = self.hub.find(path)
        if found is None:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        kind, name, rest = found
        if f"{kind}/{name}" in self.hub.gated:
            return self._send(401, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        home = self.hub.repositories[f"{kind}/{name}"]
        if rest[:1] == ["resolve"]:
            return self._file(home / "/".join(rest[2:]), body)
        if rest[:2] == ["api", "tree"]:
            return self._json([_entry(p, home) for p in _files(home)], body)
        if rest[:2] == ["api", "paths-info"]:
            return self._json(
                [_entry(p, home) for p in _files(home) if str(p.relative_to(home)) in (wanted or [])], body
            )
        if rest == ["api"] or rest[:2] == ["api", "revision"]:
            siblings = [{"rfilename": str(p.relative_to(home))} for p in _files(home)]
            info = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
            return self._json(info | {"gated": False, "disabled": False, "downloads": 0, "likes": 0}, body)
        return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body)

    def _file(self, path: Path, body: bool) -> None:
        if not path.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, body)
        content = path.read_bytes()
        etag = hashlib.sha1(content).hexdigest()
        self._send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, body)
        return None

    def _json(self, value: Any, body: bool) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", "X-Repo-Commit": COMMIT}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            limit = self.hub.broken_after
            self.wfile.write(content[:limit])
            if limit is not None and len(content) > limit:
                self.close_connection = True
                self.connection.close()


def _files(home: Path) -> list[Path]:
    return sorted(p for p in home.rglob("*") if p.is_file())


def _entry(path: Path, home: Path) -> dict[str, Any]:
    content = path.read_bytes()
    digest = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": str(path.relative_to(home)), "size": len(content), "oid": digest}
