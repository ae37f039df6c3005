"""Rules of the log: one line per decision, readable by machine or person, and no secret in it."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from streams.config import Kafka, Logging, Settings
from streams.logs import MASK, JsonLines, PlainLines, configure, logging_config, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = 'hun"ter\\2 密码'


def record(event: str = "flush written", **fields: Any) -> logging.LogRecord:
    """A record as the logging module makes it, 2025-11-09 12:00:03.125 UTC."""
    made = logging.makeLogRecord({"name": "streams.worker", "levelno": 20, "levelname": "INFO", "msg": event})
    made.created = 1_762_689_603.125
    vars(made).update(fields)
    return made


def failure(text: str) -> dict[str, Any]:
    """What ``logger.exception`` adds when ``ValueError(text)`` is being handled."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return {"exc_info": (ValueError, error, error.__traceback__)}


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name in ("aiokafka", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)


class TestJsonLines:
    """What machines read."""

    def test_fields(self) -> None:
        """Time in UTC, level, logger, the constant event, and each field under its name."""
        line = JsonLines().format(record(topic="orders", partition=3))
        assert json.loads(line) == {
            "time": "2025-11-09T12:00:03.125+00:00",
            "level": "INFO",
            "logger": "streams.worker",
            "event": "flush written",
            "topic": "orders",
            "partition": 3,
        }

    @pytest.mark.parametrize(
        "value", ["a\nb\r\x1b[2J", "横幅", {"k": [1, None]}, {("a", 1): 2}, object(), b"\xff"]
    )
    def test_any_value_stays_on_one_line(self, value: object) -> None:
        """No field, whatever it holds, breaks the line or the JSON."""
        line = JsonLines().format(record(value=value))
        assert "\n" not in line
        assert "value" in json.loads(line)

    def test_fields_cannot_pose_as_the_lines_own(self) -> None:
        """A field named ``level`` does not replace the level."""
        line = json.loads(JsonLines().format(record(level="fatal", time="never")))
        assert (line["level"], line["level_"], line["time_"]) == ("INFO", "fatal", "never")

    def test_traceback_is_a_field(self) -> None:
        """An exception stays inside the line."""
        line = json.loads(JsonLines().format(record(**failure("bad"))))
        assert line["traceback"].endswith("ValueError: bad")


class TestPlainLines:
    """What people read."""

    def test_fields(self) -> None:
        """Time, level, logger, event, then the fields."""
        line = PlainLines().format(record(topic="orders", records=512))
        assert line == "12:00:03.125 INFO    streams.worker: flush written topic=orders records=512"

    def test_a_field_cannot_forge_a_line(self) -> None:
        """Line feeds, escape sequences and bidi marks of a field are shown, not obeyed."""
        line = PlainLines().format(record(slot="a\n12:00 INFO all is well\x1b[2J", sku="\u202eevil"))
        assert line.endswith('slot="a\\n12:00 INFO all is well\\u001b[2J" sku="\\u202eevil"')

    def test_messages_and_tracebacks_cannot_move_the_cursor(self) -> None:
        """What other libraries log may have lines, but no escape sequences."""
        line = PlainLines().format(record("first\nsecond \x1b[2J", **failure("\x9b1;1H")))
        assert "first\nsecond \\u001b[2J" in line
        assert line.endswith("ValueError: \\u009b1;1H")


@pytest.mark.parametrize("lines", [JsonLines, PlainLines])
class TestSecrets:
    """No secret in any form of line."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"url": f"kafka://me:{PASSWORD}@broker"},
            {"nested": {"password": [PASSWORD]}},
            {"held": SecretStr(PASSWORD)},
            {"msg": f"connecting with {PASSWORD}"},
            {"msg": "connecting with %s", "args": (PASSWORD,)},
            failure(f"refused: {PASSWORD}"),
        ],
    )
    def test_values_are_masked_wherever_they_appear(
        self, lines: type[JsonLines | PlainLines], fields: dict[str, Any]
    ) -> None:
        """A secret of the settings is masked in events, fields and tracebacks, escaped or not."""
        line = lines([SecretStr(PASSWORD)]).format(record(**fields))
        assert "hun" not in line
        assert MASK in line

    @pytest.mark.parametrize("name", ["sasl_password", "token", "Authorization", "client_secret", "api_key"])
    def test_fields_with_telling_names_are_masked(
        self, lines: type[JsonLines | PlainLines], name: str
    ) -> None:
        """A field that is named like a secret is masked even if nobody declared its value."""
        line = lines().format(record(**{name: "abc123"}))
        assert "abc123" not in line
        assert MASK in line

    def test_a_secret_inside_another_leaves_no_rest(self, lines: type[JsonLines | PlainLines]) -> None:
        """The longer secret is masked first."""
        line = lines([SecretStr("hunter"), SecretStr("hunter-two")]).format(record(value="hunter-two"))
        assert "-two" not in line


class TestConfiguration:
    """Which of the two, and how loud."""

    @pytest.mark.parametrize(
        ("setting", "terminal", "expected"),
        [
            ("auto", True, PlainLines),
            ("auto", False, JsonLines),
            ("on", True, JsonLines),
            ("off", False, PlainLines),
        ],
    )
    def test_form(self, setting: Any, *, terminal: bool, expected: type) -> None:
        """``auto`` is JSON unless a person reads; ``on`` and ``off`` are obeyed."""
        settings = Settings(logging=Logging(json_lines=setting))
        assert logging_config(settings, terminal=terminal)["formatters"]["lines"]["()"] is expected

    @pytest.mark.parametrize(("level", "aiokafka"), [("INFO", "WARNING"), ("DEBUG", "DEBUG")])
    def test_chatty_libraries_are_quiet_below_debug(self, level: Any, aiokafka: str) -> None:
        """The Kafka client speaks from WARNING on, unless everything does."""
        config = logging_config(Settings(logging=Logging(level=level)), terminal=False)
        assert (config["root"]["level"], config["loggers"]["aiokafka"]["level"]) == (level, aiokafka)

    def test_the_configuration_holds_no_plain_secret(self) -> None:
        """Faust may print the configuration it is given."""
        settings = Settings(kafka=Kafka(sasl_password=SecretStr("hunter2")))
        assert list(secrets_in(settings)) == [SecretStr("hunter2")]
        assert "hunter2" not in repr(logging_config(settings, terminal=False))

    @pytest.mark.usefixtures("logging_restored")
    def test_configured_logging_writes_json_lines_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The whole way: configured from settings, a line reaches stderr, stdout stays free."""
        configure(Settings(kafka=Kafka(sasl_password=SecretStr("hunter2")), logging=Logging(json_lines="on")))
        logging.getLogger("streams.worker").info("joined", extra={"group_id": "funnelwatch hunter2"})
        logging.getLogger("streams.worker").debug("not at this level")
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert json.loads(line)["group_id"] == f"funnelwatch {MASK}"
        assert captured.out == ""

    @pytest.mark.usefixtures("logging_restored")
    def test_the_configuration_is_good_for_dict_config(self) -> None:
        """It can be applied twice, as a worker that configures Faust does."""
        config = logging_config(Settings(), terminal=True)
        logging.config.dictConfig(config)
        logging.config.dictConfig(config)
        (handler,) = logging.getLogger().handlers
        stream = io.StringIO()
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
        logging.getLogger("x").warning("once")
        assert stream.getvalue().count("once") == 1
