"""House rules that no linter holds: what lies where, what is locked, what carries its reason."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import count_skipped

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("streams", "alerts", "grafana")
LOCKS: Final = ("requirements.lock", "requirements-dev.lock")
TOP_LEVEL: Final = frozenset(
    {"alerts", "grafana", "streams", "tests", "docker-compose.yml", "pyproject.toml", "README.md"}
    | {"CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "docs", *LOCKS}
)
PURE_ROOMS: Final = (
    "streams/core",
    "streams/formats",
    "alerts/detectors",
    "alerts/diagnosis",
    "alerts/expectation",
    "alerts/judges",
    "alerts/stages",
    "alerts/engine.py",
    "alerts/lifecycle.py",
)
IMPURE: Final = frozenset(
    {"faust", "aiokafka", "aiohttp", "prometheus_client", "asyncio", "time", "random", "logging"}
)
VAGUE_NAMES: Final = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|misc|common)(?:_|$)")
PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", re.MULTILINE)
REASONED_NOQA: Final = re.compile(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*(?: -|  #) \S")
REASONED_IGNORE: Final = re.compile(r"# type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]  # \S")


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    """The project file."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def contracts(pyproject: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The import contracts by id."""
    return {contract["id"]: contract for contract in pyproject["tool"]["importlinter"]["contracts"]}


def sources() -> list[Path]:
    """Every module of the two packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def lines_with(mark: str) -> list[str]:
    """Every source line that holds ``mark``, as file:line: text."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if mark in line
    ]


def normal(name: str) -> str:
    """A distribution's name as the lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by distribution; several where they depend on the Python version."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((ROOT / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def test_the_top_level_is_fixed() -> None:
    """Seven entries and a short list of companions; everything else has a room."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git work tree")
    entries = {line.split("/")[0] for line in listed.stdout.splitlines() if not line.startswith(".")}
    assert entries <= TOP_LEVEL


def test_names_say_what_is_inside() -> None:
    """No module is named utils, helpers, manager and the like."""
    assert [path for path in sources() if VAGUE_NAMES.search(path.stem)] == []


def test_every_folder_is_a_package() -> None:
    """A folder with modules has an ``__init__.py``: else import contracts do not see it."""
    folders = {path.parent for path in sources()}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed_and_shipped(pyproject: dict[str, Any], package: str) -> None:
    """Both packages carry ``py.typed`` and are in the wheel."""
    assert (ROOT / package / "py.typed").exists()
    assert package in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_every_pure_room_is_under_contract(contracts: dict[str, dict[str, Any]], room: str) -> None:
    """A pure room that exists is listed in the import contract that keeps it pure."""
    if not (ROOT / room).exists():
        assert room.startswith("alerts"), f"{room} is missing"
        return
    assert room.removesuffix(".py").replace("/", ".") in contracts["pure"]["source_modules"]


def test_the_pure_contract_forbids_what_the_house_does(contracts: dict[str, dict[str, Any]]) -> None:
    """I/O, time, chance and logging are all forbidden there, and nothing is excused."""
    assert set(contracts["pure"]["forbidden_modules"]) >= IMPURE
    assert "ignore_imports" not in contracts["pure"]


@pytest.mark.parametrize("package", [*PACKAGES, "streams.config", "streams.logs"])
def test_importing_is_light(package: str) -> None:
    """Importing a package, the settings or the log does not import Faust."""
    code = f"import sys, {package}; sys.exit('faust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_one_version(pyproject: dict[str, Any]) -> None:
    """The version in pyproject.toml is the changelog's newest, or not released yet."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings
    assert pyproject["project"]["version"] == headings[0] or headings[0] == "Unreleased"
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host(lock: str) -> None:
    """A lock says what to install, not from where."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(?:-i\b|-f\b|--(?:extra-)?index|--find-links|--trusted-host)", text, re.MULTILINE
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_exact(lock: str) -> None:
    """Every requirement is pinned to one version and carries hashes."""
    entries = (ROOT / lock).read_text().replace("\\\n", " ").strip().splitlines()
    assert entries
    assert [entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


def test_locks_agree() -> None:
    """What runs and what is tested are the same versions."""
    tested = pins("requirements-dev.lock")
    assert {name: tested.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


def test_locks_are_complete(pyproject: dict[str, Any]) -> None:
    """Every declared dependency is locked: what a run needs, the demo and the build in the first."""
    project = pyproject["project"]
    runtime = project["dependencies"] + project["optional-dependencies"]["demo"]
    runtime += pyproject["dependency-groups"]["build"]
    for lock, wanted in zip(LOCKS, (runtime, project["optional-dependencies"]["dev"]), strict=True):
        names = {normal(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in wanted}
        assert names <= pins(lock).keys()


def test_every_lint_exemption_has_its_reason() -> None:
    """In pyproject.toml each code that is ignored says why, on its line."""
    section = (
        (ROOT / "pyproject.toml").read_text().split("[tool.ruff.lint]")[1].split("[tool.ruff.lint.flake8")[0]
    )
    exempt = [line for line in section.splitlines() if re.search(r'"[A-Z]+\d+"', line)]
    assert exempt
    assert [line for line in exempt if not re.search(r"#\s\S", line)] == []


def test_every_noqa_has_its_reason() -> None:
    """``# noqa: CODE - reason`` (or a second comment), never a bare one."""
    assert [line for line in lines_with("# noqa") if not REASONED_NOQA.search(line)] == []


def test_every_type_ignore_has_its_reason() -> None:
    """``# type: ignore[code]  # reason``, never a bare one."""
    assert [line for line in lines_with("# type: ignore") if not REASONED_IGNORE.search(line)] == []


@pytest.mark.parametrize("target", ["demo", "test", "check", "boards", "bench", "chaos", "lock", "clean"])
def test_the_commands_to_remember(target: str) -> None:
    """Each of them is a target of the Makefile and marked as no file."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert target in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[0].split()


@pytest.mark.parametrize("script", ["run", "make-venv", "install-tools"])
def test_scripts_can_be_run(script: str) -> None:
    """The scripts of CI are executable and parse."""
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_skips_are_counted_by_reason_and_file() -> None:
    """The summary of what was not run names each reason with its file and number of tests."""
    here = ("tests/a.py", 3, "Skipped: no Java")
    reports = [
        pytest.TestReport(nodeid, (nodeid, 3, ""), {}, "skipped", here, "setup")
        for nodeid in ("tests/a.py::test_1", "tests/a.py::test_2", "tests/b.py::test_3")
    ]
    assert count_skipped(reports) == {("no Java", "tests/a.py"): 2, ("no Java", "tests/b.py"): 1}
