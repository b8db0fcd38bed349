"""The labelling page over HTTP: for this machine only, behind a token, nothing fetched from elsewhere.

Needs the extra ``label`` (Starlette and uvicorn).
"""

from __future__ import annotations

import hmac
import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoal.errors import AutoALError
from autoal.humans.answers import Conflict, Refused
from autoal.humans.board import Board

WEB = Path(__file__).parent / "web"
FILES = {
    "index.html": "text/html",
    "page.js": "text/javascript",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
}
SHOWN = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""Image files that every browser shows; others are sent as PNG."""

HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
LARGEST = 64 * 1024
"""Bytes of a message that the page may send."""


class _Headers:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                new = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in there]
                message = {**message, "headers": [*message["headers"], *new]}
            await send(message)

        await self._app(scope, receive, sent)


def make_app(
    board: Board, token: str, annotator: str, hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> Starlette:
    """Return the application.

    Args:
        board: What it shows.
        token: Without it nothing but the empty page is served.
        annotator: Who answers where the address does not say ``?annotator=``.
        hosts: Names under which it may be called; any other one is refused, also where a name of somebody else's
            leads to this machine.
    """

    def admit(request: Request) -> str:
        given = request.headers.get("x-autoal-token") or request.query_params.get("token") or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(
                403, "the address lacks this session's token; open the one that autoal label printed"
            )
        return request.query_params.get("annotator") or annotator

    def page(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in FILES:
            raise HTTPException(404, "not found")
        return Response((WEB / name).read_bytes(), media_type=FILES[name])

    def query(request: Request) -> Response:
        return JSONResponse(board.state(admit(request)))

    def image(request: Request) -> Response:
        admit(request)
        found = board.find(f"{request.path_params['round']}/{request.path_params['rank']}")
        if found is None:
            raise HTTPException(404, "no such image")
        return _image(board.place.file(found[1].id))

    async def answer(request: Request) -> Response:
        who = admit(request)
        given = await _message(request)
        from starlette.concurrency import run_in_threadpool

        try:
            return JSONResponse(await run_in_threadpool(board.answer, given, who))
        except Conflict as error:
            return JSONResponse({"error": str(error)}, 409)
        except Refused as error:
            return JSONResponse({"error": str(error)}, 422)
        except AutoALError as error:
            return JSONResponse({"error": str(error)}, 507)

    async def lease(request: Request) -> Response:
        who = admit(request)
        given = await _message(request)
        return JSONResponse({"taken_by": board.lease(str(given.get("key")), who)})

    def explain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code)

    def wrong(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 500)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/query", query),
            Route("/api/answer", answer, methods=["POST"]),
            Route("/api/lease", lease, methods=["POST"]),
            Route("/image/{round:int}/{rank:int}", image),
            Route("/{name}", page),
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={HTTPException: explain, AutoALError: wrong},
    )


async def _message(request: Request) -> dict[str, Any]:
    """Return the JSON object that a page sent.

    Raises:
        HTTPException: If it is none, or does not say that it is one: a form of another site can't.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(415, "not JSON")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, "too long")
    import json

    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "not JSON") from error
    if not isinstance(value, dict):
        raise HTTPException(400, "not a JSON object")
    return value


def _image(path: Path) -> Response:
    """Return an image as it is, or as PNG where browsers don't show its format."""
    # The item's file never changes (its digest is pinned), so a browser may keep it for the session.
    kept = {"cache-control": "private, max-age=3600"}
    kind = SHOWN.get(path.suffix.lower())
    if not path.is_file():
        raise HTTPException(404, f"{path.name} has gone")
    if kind is not None:
        return FileResponse(path, media_type=kind, headers=kept)
    from PIL import Image

    from autoal.data.images import FORMATS

    out = io.BytesIO()
    try:
        with Image.open(path, formats=FORMATS) as file:
            file.convert("RGBA" if "A" in file.getbands() else "RGB").save(out, "PNG")
    except Exception as error:  # Pillow raises whatever the damaged bytes lead to
        raise HTTPException(422, f"{path.name} is not a readable image") from error
    return Response(out.getvalue(), media_type="image/png", headers=kept)


def token_of(run_dir: Path) -> str:
    """Return the token of a run's page, made once: a page that is open finds a server that was started again."""
    path = run_dir / ".label-token"
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    if len(text) < 20:
        text = secrets.token_urlsafe(24)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return text
