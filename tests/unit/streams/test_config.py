"""Rules of the settings: where values come from, and how a wrong one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from streams.config import MAX_NODES, Counting, Settings, explain, load_settings
from streams.config_source import MAX_FILE_BYTES
from streams.core.buckets import COLUMN_MASK, MAX_STAGES, VISITORS
from streams.core.vocabulary import Vocabulary
from streams.durations import DAY
from streams.errors import ConfigError
from streams.formats.keys import key_objection
from streams.funnel import Funnel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Settings]
    Refuse = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load YAML text with an environment of its own."""

    def load_text(text: str, **environ: str) -> Settings:
        path = tmp_path / "funnelwatch.yaml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return load_settings(path, environ)

    return load_text


@pytest.fixture
def refuse(load: Load, tmp_path: Path) -> Refuse:
    """Load what must be refused; the lines of its explanation, without the folder."""

    def refuse_text(text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **environ)
        return explain(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refuse_text


def test_no_file_is_all_defaults() -> None:
    """Without file and environment the defaults stand."""
    assert load_settings(None, {}) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "kafka:\n", "kafka: {group_id: null}\n", "~\n"])
def test_empty_file_is_all_defaults(load: Load, text: str) -> None:
    """An empty file, an empty section and null all mean the default."""
    assert load(text) == Settings()


def test_defaults_of_the_contract() -> None:
    """The defaults are those of the counting contract."""
    counting = Settings().counting
    assert (counting.max_out_of_orderness_ms, counting.allowed_lateness_ms) == (5_000, 600_000)
    assert (counting.max_future_ms, counting.idle_timeout_ms) == (300_000, 2_000)
    assert (counting.dedupe_horizon_ms, counting.attribution_window_ms) == (3_600_000, 1_800_000)
    assert (counting.attribution, counting.remembered_orders) == ("last", 200_000)


def test_the_tree_is_frozen() -> None:
    """Nobody changes a setting under another's feet."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().counting.flush_interval_ms = 1  # type: ignore[misc]


def test_code_builds_sections_by_attribute_name() -> None:
    """In code a section is built with the names of its attributes, milliseconds included."""
    assert Counting(flush_interval_ms=250).flush_interval_ms == 250


def test_durations_have_keys_without_unit(load: Load) -> None:
    """``flush_interval: 250ms`` becomes ``flush_interval_ms == 250``."""
    assert load("counting: {flush_interval: 250ms}").counting.flush_interval_ms == 250
    assert load("merging: {snapshot_interval: 30s}").merging.snapshot_interval_ms == 30_000


def test_a_worker_does_everything_unless_said(load: Load) -> None:
    """One part alone is asked for; null is all of them."""
    assert load("{}").worker.only is None
    assert load("worker: {only: notify}").worker.only == "notify"
    assert load("worker: {only: null}").worker.only is None


def test_yaml_1_2_scalars(load: Load) -> None:
    """Words that YAML 1.1 would turn into booleans stay words."""
    settings = load("logging: {json: on}\ndeadletter: {stop_after: off}\nkafka: {client_id: no}")
    assert settings.logging.json_lines == "on"
    assert settings.deadletter.stop_after is None
    assert settings.kafka.client_id == "no"


def test_sexagesimal_numbers_are_refused(refuse: Refuse) -> None:
    """``1:30``, 90 in YAML 1.1, is not silently taken for 90 ms."""
    assert refuse("counting: {flush_interval: 1:30}") == [
        (
            "funnelwatch.yaml:1: counting.flush_interval: must be a duration from 50ms to 1m, "
            "such as 250ms, 5s, 10m or 1h"
        )
    ]


def test_funnel_model(load: Load) -> None:
    """Nodes and extra dimensions reach the core in their order; a bare name is its own field."""
    settings = load(
        "funnel: {nodes: [seen, tapped, paid]}\ndimensions: [channel, {name: device, field: context.device}]"
    )
    assert settings.funnel_model() == Funnel(("seen", "tapped", "paid"), ("channel", "device"))
    assert [dimension.field for dimension in settings.dimensions] == ["channel", "context.device"]


@pytest.mark.parametrize("null", ["null", "~", ""])
def test_an_event_may_be_passed_over_on_purpose(load: Load, null: str) -> None:
    """In ``formats.events`` null is an entry's value, wherever it stands; elsewhere it is the default."""
    settings = load(f"formats:\n  events:\n    ping: {null}\n    tap: click\n  orders: {null}\n")
    assert settings.formats.events == {"ping": None, "tap": "click"}
    assert settings.formats.orders == "native"
    assert load("", FUNNELWATCH__FORMATS__EVENTS="{ping: null, tap: click}").formats == settings.formats


def test_one_event_is_passed_over_by_a_variable(load: Load) -> None:
    """A variable is text, also where it says null."""
    settings = load("formats: {events: {tap: click}}", FUNNELWATCH__FORMATS__EVENTS__PING="null")
    assert settings.formats.events == {"ping": None, "tap": "click"}


def test_as_many_nodes_as_the_core_counts(load: Load) -> None:
    """The longest funnel has a column for every stage and every node's visitors; no longer one has."""
    nodes = [*(f"n{number}" for number in range(MAX_NODES - 1)), "paid"]
    stages = Vocabulary(load(f"funnel: {{nodes: {nodes}}}").funnel_model(), key_objection).stages
    assert max(stages.codes.values()) == MAX_STAGES - 1
    assert VISITORS + stages.nodes - 1 <= COLUMN_MASK
    longer = Vocabulary(Funnel(("more", *nodes)), key_objection).stages
    assert max(longer.codes.values()) >= MAX_STAGES


@pytest.mark.parametrize(("written", "kept_ms"), [("default", None), ("null", None), ("30d", 30 * DAY)])
def test_how_long_sources_are_kept_is_the_brokers_default_unless_said(
    load: Load, written: str, kept_ms: int | None
) -> None:
    """A word for it, since an override cannot take a setting away."""
    assert load(f"topics: {{sources_retention: {written}}}").topics.sources_retention_ms == kept_ms


def test_the_currency_of_orders_without_one_can_be_switched_off(load: Load) -> None:
    """``off``, since null is the default."""
    assert load("").formats.sensorsdata.default_currency == "CNY"
    assert (
        load("formats: {sensorsdata: {default_currency: off}}").formats.sensorsdata.default_currency is None
    )


class TestEnvironment:
    """``${NAME}`` in the file and ``FUNNELWATCH__...`` above it."""

    @pytest.mark.parametrize(
        ("written", "environ", "group"),
        [
            ("${GROUP}", {"GROUP": "blue"}, "blue"),
            ("shop-${GROUP}-1", {"GROUP": "blue"}, "shop-blue-1"),
            ("${GROUP:-green}", {}, "green"),
            ("${GROUP:-green}", {"GROUP": ""}, "green"),
            ("${GROUP:-a:-b}", {}, "a:-b"),
            ("$${GROUP}", {"GROUP": "blue"}, "${GROUP}"),
            ("${GROUP}", {"GROUP": "${OTHER}"}, "${OTHER}"),
            ("'${GROUP}'", {"GROUP": "blue"}, "blue"),
        ],
    )
    def test_interpolation(self, load: Load, written: str, environ: dict[str, str], group: str) -> None:
        """A variable is put in once, ``:-`` gives a default, ``$${`` is a plain ``${``."""
        assert load(f"kafka:\n  group_id: {written}\n", **environ).kafka.group_id == group

    def test_interpolated_text_takes_the_type_of_its_setting(self, load: Load) -> None:
        """Numbers, lists and switches may come from variables, which are always text."""
        settings = load(
            "kafka: {bootstrap_servers: '${B}'}\nhttp: {port: '${P}'}\nformats: {mapping: {price_minor: '${M}'}}",
            B="a:1, b:2",
            P="9100",
            M="true",
        )
        assert settings.kafka.bootstrap_servers == ("a:1", "b:2")
        assert settings.http.port == 9100
        assert settings.formats.mapping.price_minor is True

    @pytest.mark.parametrize(
        ("written", "allowed"),
        [
            ("${GROUP}", "needs the environment variable GROUP; set it or write ${GROUP:-default}"),
            ("${my group}", "takes ${NAME} or ${NAME:-default}; $${ stands for a plain ${"),
            ("${}", "takes ${NAME} or ${NAME:-default}; $${ stands for a plain ${"),
        ],
    )
    def test_missing_variable(self, refuse: Refuse, written: str, allowed: str) -> None:
        """A variable that is not there is an error of its line, said once."""
        assert refuse(f"kafka:\n  group_id: {written}\n") == [
            f"funnelwatch.yaml:2: kafka.group_id: {allowed}"
        ]

    def test_override_wins_over_the_file(self, load: Load) -> None:
        """The environment stands above the file, the file above the defaults."""
        settings = load("http: {port: 1, host: '::1'}", FUNNELWATCH__HTTP__PORT="2")
        assert (settings.http.port, settings.http.host) == (2, "::1")

    def test_empty_override_is_none(self, load: Load) -> None:
        """An empty variable, as compose files make them, overrides nothing."""
        assert load("http: {port: 1}", FUNNELWATCH__HTTP__PORT="").http.port == 1

    def test_lists_and_sections_in_one_variable(self, load: Load) -> None:
        """Lists and maps are written as YAML on one line."""
        settings = load(
            "",
            FUNNELWATCH__DIMENSIONS="[channel, {name: dev, field: a.b}]",
            FUNNELWATCH__FORMATS__EVENTS="{page.view: view}",
            FUNNELWATCH__FUNNEL__NODES="a,b,view,paid",
        )
        assert settings.funnel_model() == Funnel(("a", "b", "view", "paid"), ("channel", "dev"))
        assert settings.formats.events == {"page.view": "view"}

    def test_a_secret_is_never_parsed(self, load: Load) -> None:
        """A password that looks like YAML stays the password."""
        password = load("", FUNNELWATCH__KAFKA__SASL_PASSWORD="{a: [b").kafka.sasl_password
        assert password is not None
        assert password.get_secret_value() == "{a: [b"

    @pytest.mark.parametrize(
        ("name", "value", "line"),
        [
            ("KAFKA__PORT", "1", "kafka.port: is no setting; did you mean http.port?"),
            ("HTTP__PORT", "70000", "http.port: must be a whole number from 0 to 65535"),
            ("HTTP", "4", "http: must be a section: keys and values, indented under it"),
            ("HTTP__", "4", "http.: overrides look like FUNNELWATCH__SECTION__KEY"),
            ("DIMENSIONS", "[a", "dimensions: must be YAML on one line, such as [a, b] or {a: b}"),
        ],
    )
    def test_wrong_override_names_its_variable(
        self, refuse: Refuse, name: str, value: str, line: str
    ) -> None:
        """A wrong override is shown with the variable it came from."""
        assert refuse("", **{f"FUNNELWATCH__{name}": value}) == [f"$FUNNELWATCH__{name}: {line}"]

    def test_override_does_not_hide_a_wrong_section(self, refuse: Refuse) -> None:
        """A plain value where a section belongs is still told when an override would go into it."""
        assert refuse("http: 5", FUNNELWATCH__HTTP__PORT="1") == [
            "funnelwatch.yaml:1: http: must be a section: keys and values, indented under it"
        ]


class TestSecrets:
    """Secrets come from files too, and are never shown."""

    def test_secret_file(self, load: Load, tmp_path: Path) -> None:
        """``sasl_password_file`` is read beside the configuration, without its last newline."""
        (tmp_path / "password").write_text(" s3cret \n")
        password = load("kafka: {sasl_password_file: password}").kafka.sasl_password
        assert password is not None
        assert password.get_secret_value() == " s3cret "

    @pytest.mark.parametrize("file", ["nowhere", ".", "5", "{}"])
    def test_unreadable_secret_file(self, refuse: Refuse, file: str) -> None:
        """A secret file that cannot be read is an error of its line."""
        assert refuse(f"kafka:\n  sasl_password_file: {file}") == [
            "funnelwatch.yaml:2: kafka.sasl_password_file: must be a file with the secret, readable and in UTF-8"
        ]

    def test_secret_and_its_file(self, refuse: Refuse) -> None:
        """Exactly one of the two."""
        assert refuse("kafka: {sasl_password: abc, sasl_password_file: x}") == [
            (
                "funnelwatch.yaml:1: kafka.sasl_password_file: "
                "must not stand beside sasl_password: give one of them"
            )
        ]

    def test_only_secrets_come_from_files(self, refuse: Refuse) -> None:
        """``_file`` works for secrets alone; elsewhere it is an unknown key."""
        (line,) = refuse("kafka: {group_id_file: x}")
        assert "kafka.group_id_file: is no setting" in line

    def test_secrets_are_not_shown(self, load: Load) -> None:
        """Neither the tree nor its dump holds a secret in plain text."""
        settings = load("kafka: {sasl_password: hunter2}")
        assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()

    def test_errors_show_no_values(self, refuse: Refuse) -> None:
        """A secret in the wrong line is not printed back: no error shows the value."""
        lines = refuse(
            "kafka:\n  sasl_password: [hunter2]\n  security_protocol: hunter2\n"
            "topics: {orders: hunter2 hunter2}\nhttp: hunter2\nmetrics: {time_zone: hunter2}\n"
            "counting: {flush_interval: hunter2, max_tracked_keys: hunter2, attribution: hunter2}\n"
        )
        assert len(lines) == 8
        assert "hunter2" not in "".join(lines)


class TestRefusals:
    """A wrong file is refused with file, line, field and what is allowed."""

    @pytest.mark.parametrize(
        ("text", "line", "finding"),
        [
            ("kafka:\n\n  grop_id: x", 3, "kafka.grop_id: is no setting; did you mean kafka.group_id?"),
            ("max_keys: 5", 1, "max_keys: is no setting; did you mean metrics.max_keys?"),
            ("http: {zzz: 5}", 1, "http.zzz: is no setting; here are: allowed_hosts, host, port, token"),
            (
                "counting:\n  flush_interval_ms: 5",
                2,
                "counting.flush_interval_ms: is no setting; did you mean counting.flush_interval?",
            ),
            ("kafka: {group_id: 5}", 1, "kafka.group_id: must be text; put it in quotes"),
            ("kafka: {group_id: ''}", 1, "kafka.group_id: must not be empty"),
            ("kafka: {bootstrap_servers: []}", 1, "kafka.bootstrap_servers: must have 1 or more entries"),
            (
                "kafka:\n  bootstrap_servers:\n    - a:1\n    - b\n",
                4,
                "kafka.bootstrap_servers[1]: must be host:port, such as kafka-1:9092",
            ),
            (
                "kafka: {security_protocol: SASL}",
                1,
                "kafka.security_protocol: must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
            ),
            (
                "kafka:\n  client_id: x\n  security_protocol: SASL_SSL",
                3,
                "kafka.security_protocol: SASL_SSL also needs sasl_username and sasl_password",
            ),
            ("worker: {only: dance}", 1, "worker.only: must be count, watch or notify"),
            (
                "kafka:\n  heartbeat_interval: 20s",
                2,
                "kafka.heartbeat_interval: must be at most a third of session_timeout",
            ),
            (
                "topics: {orders: '..'}",
                1,
                "topics.orders: must be a topic name: up to 249 letters, digits, '.', '_' or '-'",
            ),
            ("topics:\n  orders: clickstream", 2, "topics.orders: must differ from topics.clickstream"),
            ("topics: {partitions: 0}", 1, "topics.partitions: must be a whole number from 1 to 1024"),
            ("topics: {partitions: true}", 1, "topics.partitions: must be a whole number from 1 to 1024"),
            ("topics: {partitions: 4.0}", 1, "topics.partitions: must be a whole number from 1 to 1024"),
            ("topics: [4]", 1, "topics: must be a section: keys and values, indented under it"),
            (
                "formats: {clickstream: ga5}",
                1,
                "formats.clickstream: must be native, ga4, segment, snowplow, sensorsdata, cloudevents or mapping",
            ),
            (
                "formats:\n  mapping:\n    slot: a..b",
                3,
                "formats.mapping.slot: must be a dotted path into the event, such as context.page.slot",
            ),
            ("formats: {mapping: {price_minor: 3}}", 1, "formats.mapping.price_minor: must be true or false"),
            (
                "formats:\n  events:\n    a.b: nowhere",
                3,
                (
                    "formats.events.a.b: must be null or one of exposure, click, view, cart, checkout, order, paid, "
                    "payment_attempt, payment_failed, cancelled, refunded"
                ),
            ),
            ("formats: {events: {'': click}}", 1, "formats.events.: must not be empty"),
            (
                f"funnel: {{nodes: [{', '.join(f'n{number}' for number in range(12))}, paid]}}",
                1,
                "funnel.nodes: must have at most 12 entries",
            ),
            (
                "topics: {sources_retention: 5s}",
                1,
                (
                    "topics.sources_retention: must be a duration from 1m to 3650d, "
                    "such as 250ms, 5s, 10m or 1h, or default"
                ),
            ),
            (
                "formats: {sensorsdata: {default_currency: RMB}}",
                1,
                "formats.sensorsdata.default_currency: must be an ISO 4217 code such as CNY, or off",
            ),
            ("formats: {sensorsdata: {sku: ''}}", 1, "formats.sensorsdata.sku: must not be empty"),
            (
                "formats: {sensorsdata: {amout: x}}",
                1,
                "formats.sensorsdata.amout: is no setting; did you mean formats.sensorsdata.amount?",
            ),
            ("funnel: {nodes: [a, paid]}", 1, "funnel.nodes: must have 3 or more entries"),
            ("funnel: {nodes: [a, a, paid]}", 1, "funnel.nodes: must name each node once"),
            (
                "funnel: {nodes: [a, b, c]}",
                1,
                "funnel.nodes: must end with paid, the node that carries money",
            ),
            (
                "funnel: {nodes: [a, b, refunded, paid]}",
                1,
                "funnel.nodes: must not contain refunded: it is the outcome of an order, not a node",
            ),
            (
                "dimensions: [slot]",
                1,
                "dimensions: must not name slot again; all, slot, banner, sku are always there",
            ),
            ("dimensions: [a, b, c, d, e, f, g]", 1, "dimensions: must have at most 6 entries"),
            (
                "dimensions:\n  - a\n  - 7",
                3,
                "dimensions[1]: must be a section: keys and values, indented under it",
            ),
            (
                "dimensions: [A]",
                1,
                "dimensions[0].name: must be a name: small letters, digits and '_', a letter first",
            ),
            (
                "counting:\n  max_out_of_orderness: 1m\n  allowed_lateness: 30s",
                3,
                "counting.allowed_lateness: must be at least max_out_of_orderness",
            ),
            ("counting: {attribution: best}", 1, "counting.attribution: must be last, first or linear"),
            (
                "deadletter: {stop_after: 0}",
                1,
                "deadletter.stop_after: must be a whole number from 1 to 1000000000, or off",
            ),
            (
                "metrics: {time_zone: Mars/Base}",
                1,
                "metrics.time_zone: must be an IANA time zone, such as UTC or Asia/Shanghai",
            ),
            ("logging: {level: loud}", 1, "logging.level: must be DEBUG, INFO, WARNING or ERROR"),
            ("logging: {json: yes}", 1, "logging.json: must be auto, on or off"),
            ("http:\n  port: 1\n  port: 2", 3, "http.port: stands here a second time"),
            ("http: {[1]: 2}", 1, "http: keys must be plain words"),
            (
                "http: {host: !!python/object:os.x y}",
                1,
                "http.host: must be a plain value: text, number, true or false",
            ),
            ("- a", 1, "(file): must be sections with keys, such as `kafka:`"),
            ("a: [1", 1, "(file): is not YAML: expected ',' or ']', but got '<stream end>'"),
        ],
    )
    def test_one_finding(self, refuse: Refuse, text: str, line: int, finding: str) -> None:
        """Each mistake is told in its line, in words that say what may stand there."""
        told = refuse(text)
        if finding.endswith("a letter first"):
            told = told[:1]  # a bare dimension is both name and field
        assert told == [f"funnelwatch.yaml:{line}: {finding}"]

    def test_all_findings_at_once_in_file_order(self, refuse: Refuse) -> None:
        """One run tells everything that is wrong, from top to bottom."""
        lines = refuse(
            "zzz: 1\nhttp:\n  port: x\n  host: ${NOPE}\nkafka:\n  group_id: 1\nlogging: {level: x}\n"
        )
        assert [line.split(":")[1:3] for line in lines] == [
            ["1", " zzz"],
            ["3", " http.port"],
            ["4", " http.host"],
            ["6", " kafka.group_id"],
            ["7", " logging.level"],
        ]

    def test_the_error_carries_fields(self, load: Load, tmp_path: Path) -> None:
        """Callers get file, line, field and what is allowed apart, and the rest in ``others``."""
        with pytest.raises(ConfigError) as caught:
            load("http:\n  port: x\n  host: 5")
        first, (other,) = caught.value, caught.value.others
        assert (first.file, first.line, first.field) == (str(tmp_path / "funnelwatch.yaml"), 2, "http.port")
        assert first.allowed == "must be a whole number from 0 to 65535"
        assert (other.line, other.field, other.others) == (3, "http.host", ())

    @pytest.mark.parametrize("name", ["nowhere.yaml", "."])
    def test_unreadable_file(self, tmp_path: Path, name: str) -> None:
        """A file that cannot be read is refused by name; a missing one is not an empty one."""
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_settings(tmp_path / name, {})
        assert caught.value.file == str(tmp_path / name)

    @pytest.mark.parametrize(
        "text",
        [
            "a: \x00",
            "a: \udcff\udcfe",
            "#" * (MAX_FILE_BYTES + 1),
            "kafka: &k {client_id: *k}",
            (
                "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
            ),
            "kafka: " + "[" * 500,
            "a: " + "[" * 400 + "]" * 400,
            "a: 1\n---\nb: 2\n",
        ],
        ids=["nul", "latin", "huge", "endless", "bomb", "open", "deep", "two documents"],
    )
    def test_hostile_files(self, refuse: Refuse, text: str) -> None:
        """Binary, huge, self-containing and exploding files end in one error, not in a crash."""
        assert len(refuse(text)) == 1


def test_every_default_passes_its_own_rules() -> None:
    """The defaults, written out, are accepted like anything else; the YAML keys suffice for that."""
    written: dict[str, Any] = Settings().model_dump(by_alias=True)
    assert Settings.model_validate(written, by_alias=True, by_name=False) == Settings()


def test_rekey_counts_the_keyed_topics() -> None:
    """With ``rekey`` the names of the keyed topics count, and must differ from all others; without, neither."""
    plain = load_settings(None, {"FUNNELWATCH__TOPICS__KEYED_ORDERS": "orders"})
    assert plain.topics.counted == ("clickstream", "orders")
    rekeyed = load_settings(None, {"FUNNELWATCH__TOPICS__REKEY": "true"})
    assert rekeyed.topics.counted == ("funnelwatch.clickstream", "funnelwatch.orders")
    with pytest.raises(ConfigError, match=r"keyed_orders.*must differ"):
        load_settings(
            None, {"FUNNELWATCH__TOPICS__REKEY": "true", "FUNNELWATCH__TOPICS__KEYED_ORDERS": "orders"}
        )
