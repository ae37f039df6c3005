"""What answers mean, as far as vendors agree: status codes, ``Retry-After``, codes in the body."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from alerts.notify.base import Outcome, Response, Verdict, Why, delivered, refused, retry

if TYPE_CHECKING:
    from collections.abc import Mapping

# Whoever asks for more has a clock that is wrong; after it the channel is tried anyway.
_LONGEST_MS: Final = 24 * 3_600_000
_LATER: Final = frozenset({408, 425})
_REFUSALS: Final = {
    401: Why.UNAUTHORIZED,
    403: Why.UNAUTHORIZED,
    404: Why.NOT_FOUND,
    410: Why.NOT_FOUND,
    413: Why.TOO_LARGE,
}


def by_status(response: Response) -> Outcome:
    """The outcome by the status alone."""
    status = response.status
    if 200 <= status < 300:
        return delivered(answer=words(response))
    if 300 <= status < 400:
        return refused(Why.REDIRECTED, answer=str(status))
    if status == 429:
        return retry(Why.RATE_LIMITED, retry_after_ms(response), answer=words(response))
    if status >= 500 or status in _LATER:
        return retry(Why.SERVER_ERROR, retry_after_ms(response), answer=words(response))
    return refused(_REFUSALS.get(status, Why.BAD_REQUEST), answer=words(response))


def by_code(
    response: Response, *, code: str, text: str, meanings: Mapping[int, tuple[Why, int | None]]
) -> Outcome:
    """The outcome by a code in the body, 0 being success.

    Args:
        response: the answer.
        code: key of the code.
        text: key of the bot's words.
        meanings: by code: why it was not taken, and after how many ms to try again; None of those that
            are refused for good. Codes that do not stand there are refused as ``other``.
    """
    by_http = by_status(response)
    if not by_http.delivered:
        return by_http
    body = json_object(response)
    if body is None:
        return unreadable(response)
    number = body.get(code)
    if isinstance(number, bool) or not isinstance(number, int):
        return unreadable(response)
    answer = f"{number} {body.get(text, '')}"
    if number == 0:
        return delivered(answer=answer)
    why, after_ms = meanings.get(number, (Why.OTHER, None))
    return refused(why, answer=answer) if after_ms is None else retry(why, after_ms, answer=answer)


def unreadable(response: Response) -> Outcome:
    """A body that has to be judged and cannot be: a proxy's page, or too much."""
    why = Why.ANSWER_TOO_LARGE if response.cut else Why.ANSWER_UNREADABLE
    return Outcome(Verdict.RETRY, why, answer=words(response))


def json_object(response: Response) -> dict[str, Any] | None:
    """The body as an object, or None."""
    try:
        value = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def retry_after_ms(response: Response) -> int | None:
    """What ``Retry-After`` asks for, in seconds or as a date; None where it is not there or not to be read."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds = seconds_ms(text)
    return seconds if seconds is not None else _date_ms(text, response.at_ms)


def seconds_ms(value: object) -> int | None:
    """Seconds, as a number or text, in ms; None of what is no time to wait."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return int(min(seconds * 1000, _LONGEST_MS)) if seconds >= 0 else None


def _date_ms(text: str, at_ms: int) -> int | None:
    try:
        then_ms = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(max(0, then_ms - at_ms), _LONGEST_MS)


def words(response: Response) -> str:
    """The status and the body. Not cut: half of a secret would not be known for one and masked."""
    return f"{response.status} {response.body.decode('utf-8', 'replace')}"
