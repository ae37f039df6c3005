"""What is wrong with a request, as a problem document (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from streams.web.answers import ProblemDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818  # the RFC's word
    """A request that is refused.

    Args:
        status: of HTTP.
        detail: for people, without anything secret.
        headers: to go with it.
    """

    def __init__(self, status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> bytes:
        """The body."""
        title = HTTPStatus(self.status).phrase
        return msgspec.json.encode(
            ProblemDocument(type="about:blank", title=title, status=self.status, detail=self.detail)
        )
