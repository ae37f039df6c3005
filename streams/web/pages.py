"""The live page at ``/``, its updates, its files, and signing in; with the API, all that a worker serves to people.

Promises: the first paint is whole without script; updates are rendered once however many look; nothing is
loaded from elsewhere, and the browser is told so. At most a hundred browsers are kept up to date.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import hdrs, web

from streams.web.access import SESSION_S, cookie_name
from streams.web.api import Answers, Api, body_of, refusal, sent
from streams.web.problems import Problem
from streams.web.queries import LoginBody
from streams.web.view import Asked
from streams.web.words import language_of
from streams.web.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.web.access import Access
    from streams.web.sources import Sources

_STATIC: Final = Path(__file__).parent / "static"
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HTML: Final = "text/html"
_MOST_WATCHING: Final = 100
_HEARTBEAT_S: Final = 15.0
_LOGIN_BYTES: Final = 4_096
_KEPT_S: Final = 86_400
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    kind: str


class WebPages:
    """See the module; :class:`streams.metrics.http.Pages` of a worker.

    Args:
        sources: what is shown.
        access: who may.
        version: of the program.
    """

    def __init__(self, sources: Sources, access: Access, version: str) -> None:
        self._sources = sources
        self._access = access
        self._answers = Answers()
        self._api = Api(sources, access, self._answers, version)
        self._files = _files()
        self._writer = Writer(sources.zone, _stamp(self._files))
        self._watching = 0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The page, its files and updates, signing in, and the API."""
        yield web.get("/", self._page)
        yield web.get("/live", self._api.guarded(self._live), allow_head=False)
        yield web.get("/static/{name}", self._file)
        yield web.post("/login", self._login)
        yield from self._api.routes()

    async def stop(self) -> None:
        """Let the thread end that writes."""
        self._answers.close()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(request)
        try:
            self._access.read(request)
        except Problem as problem:
            if problem.status not in (401, 403) or not self._access.is_ours(request):
                return refusal(problem)
            return self._sign_in(asked.language, 401, wrong=False)
        may_write = self._access.may_write(request)
        write = partial(self._writer.page, asked=asked, has_token=self._access.has_token, may_write=may_write)
        body = await self._made(("page", asked, may_write), write)
        return _safe(sent(request, body, _HTML))

    def _sign_in(self, language: str, status: int, *, wrong: bool) -> web.Response:
        body = self._writer.login(language, has_token=self._access.has_token, wrong=wrong)
        return _safe(web.Response(body=body, status=status, content_type=_HTML, charset="utf-8"))

    async def _made(self, key: object, write: Callable[..., bytes]) -> bytes:
        return await self._answers.get(key, self._sources.moment(), self._sources.board.revision, write)

    # ------------------------------------------------------------------ updates
    async def _live(self, request: web.Request) -> web.StreamResponse:
        if self._watching >= _MOST_WATCHING:
            raise Problem(503, "too many browsers are kept up to date", {hdrs.RETRY_AFTER: "30"})
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", **_SAFE}
        )
        self._watching += 1
        try:
            await response.prepare(request)
            await self._keep_up_to_date(response, _asked(request))
        except ConnectionResetError:
            pass  # The browser has gone.
        finally:
            self._watching -= 1
        return response

    async def _keep_up_to_date(self, response: web.StreamResponse, asked: Asked) -> None:
        """Send what has changed, whenever anything has; else a sign of life."""
        bell, rings = self._sources.bell, -1
        known: dict[str, str] = {}
        while True:
            update = msgspec.json.decode(
                await self._made(("update", asked), partial(self._writer.update, asked=asked))
            )
            fresh = {name: html for name, html in update["sections"].items() if known.get(name) != html}
            known.update(fresh)
            if fresh:
                told = msgspec.json.encode({"sections": fresh, "chart": update["chart"]})
                await response.write(b"event: sections\ndata: " + told + b"\n\n")
            else:
                await response.write(b": still here\n\n")
            rings = await bell.wait(rings if rings >= 0 else bell.rings, _HEARTBEAT_S)

    # ------------------------------------------------------------------ files and signing in
    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            return refusal(Problem(404))
        response = _safe(sent(request, file.body, file.kind))
        # Pages name files with a stamp, so a new file has a new address.
        response.headers[hdrs.CACHE_CONTROL] = f"public, max-age={_KEPT_S}"
        response.enable_compression()
        return response

    async def _login(self, request: web.Request) -> web.StreamResponse:
        is_form = request.content_type == "application/x-www-form-urlencoded"
        try:
            token = await _form_token(request) if is_form else await _json_token(request)
            value = self._access.enter(request, token)
        except Problem as problem:
            if is_form and problem.status == 401:
                return self._sign_in(_asked(request).language, 401, wrong=True)
            return refusal(problem)
        response = web.Response(status=303 if is_form else 204, headers=_SAFE)
        if is_form:
            response.headers[hdrs.LOCATION] = "/"
        response.set_cookie(
            cookie_name(request),
            value,
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
            secure=request.headers.get(hdrs.ORIGIN, "").startswith("https:"),
        )
        return response


async def _json_token(request: web.Request) -> str:
    body = await body_of(LoginBody, request)
    assert isinstance(body, LoginBody)  # noqa: S101  # what was asked for
    return body.token


async def _form_token(request: web.Request) -> str:
    if (request.content_length or 0) > _LOGIN_BYTES:
        raise Problem(413)
    token = (await request.post()).get("token", "")
    return token if isinstance(token, str) else ""


def _asked(request: web.Request) -> Asked:
    given = request.query
    language = language_of(given.get("lang", ""), request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    return Asked(given.get("window", "15m")[:256], language, given.get("q", "").strip()[:256])


def _safe(response: web.Response) -> web.Response:
    response.headers.update(_SAFE)
    return response


def _files() -> dict[str, _File]:
    return {
        path.name: _File(path.read_bytes(), _KINDS[path.suffix])
        for path in sorted(_STATIC.iterdir())
        if path.suffix in _KINDS
    }


def _stamp(files: dict[str, _File]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for name in sorted(files):
        digest.update(files[name].body)
    return digest.hexdigest()
