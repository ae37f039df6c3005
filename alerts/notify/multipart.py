"""A form with a file in it (RFC 7578): the same bytes for the same content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Part(NamedTuple):
    """One part; ``filename`` empty means a plain field."""

    name: str
    content: bytes
    content_type: str
    filename: str = ""


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body and its content type."""
    boundary = _boundary(parts)
    body = b"".join(_head(part, boundary) + part.content + b"\r\n" for part in parts)
    return body + b"--%b--\r\n" % boundary, f"multipart/form-data; boundary={boundary.decode()}"


def _boundary(parts: Sequence[Part]) -> bytes:
    seed = b"".join(part.content for part in parts)
    boundary = b"fw" + hashlib.sha256(seed).hexdigest().encode()
    # Nobody can know a digest of what he is about to write, but it costs nothing to look.
    while boundary in seed:
        boundary = b"fw" + hashlib.sha256(boundary).hexdigest().encode()
    return boundary


def _head(part: Part, boundary: bytes) -> bytes:
    file = f'; filename="{part.filename}"' if part.filename else ""
    disposition = f'Content-Disposition: form-data; name="{part.name}"{file}'
    return b"--%b\r\n" % boundary + f"{disposition}\r\nContent-Type: {part.content_type}\r\n\r\n".encode()
