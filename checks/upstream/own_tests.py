"""The connector's own tests that need an engine, as its distribution has them, run against local engines."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Final

from checks.upstream.clients import Place, place
from checks.upstream.environment import interpreter, packages

__all__ = ["Outcome", "run"]

TIMEOUT_SECONDS: Final = 240

#: What its configuration of pytest would say, which the distribution lacks.
CONFIGURATION: Final = "[pytest]\nmarkers = integration: needs an engine\n"
PLUGIN: Final = """
def pytest_addoption(parser):
    parser.addoption("--integration-config", default=None)
"""
SQL: Final = "select range as n from range(20) order by n"
#: Tests that do not pass, by the beginning of their names, and why.
KNOWN: Final = {
    "test.tests.TestE6X::test_query_5_caches": "calls a method that the connector no longer has",
    "test.integration.test_result_batch_v2::test_real_result_batch_sqlalchemy": "makes an address "
    "without a catalog, which the connector's own dialect refuses",
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one test: `passed`, `failed` or `skipped`, with pytest's words about it."""

    suite: str
    name: str
    result: str
    words: str = ""

    @property
    def is_explained(self) -> bool:
        """True unless it failed, or was not run, without a known reason."""
        return self.result == "passed" or self.reason is not None

    @property
    def reason(self) -> str | None:
        """Why it is known not to pass, or None."""
        return next((why for name, why in KNOWN.items() if self.name.startswith(name)), None)


def run() -> list[Outcome]:
    """Returns the outcome of every test, about ten seconds.

    Raises:
        UnavailableError: The connector cannot be installed.
        RuntimeError: A run of pytest failed as a whole.
    """
    python = interpreter()
    folder = packages(python) / "test"
    outcomes = []
    with place() as where:
        (where.folder / "query_file.csv").write_text("QUERY,QUERY_ID\nselect 1,1\n")
        told = {
            "ENGINE_IP": where.engine.config.host,
            "PORT": str(where.engine.port),
            "EMAIL": where.engine.user,
            "PASSWORD": where.engine.token,
            "CATALOG": "sample",
            "DB_NAME": "sales",
            "QUERY_PATH": str(where.folder / "query_file.csv"),
        }
        outcomes += _pytest(
            python, "scripts", where, [folder / "tests.py", folder / "tests_grpc.py"], told
        )
    integration = folder / "integration"
    with place(oauth=True) as where:
        outcomes += _pytest(
            python,
            "integration, OAuth",
            where,
            [integration, f"--ignore={integration / 'test_async_resume.py'}"],
            {},
        )
    with place(oauth=True) as where:
        where.engine.suspend(states=["resuming", "active"])
        outcomes += _pytest(
            python,
            "resume, OAuth",
            where,
            [integration / "test_async_resume.py"],
            {"E6_ASYNC_RESUME_AUTHORIZED": "1"},
        )
    return outcomes


def _pytest(
    python: Path, suite: str, where: Place, arguments: list[Any], told: dict[str, str]
) -> list[Outcome]:
    (where.folder / "pytest.ini").write_text(CONFIGURATION)
    (where.folder / "integration_option.py").write_text(PLUGIN)
    secrets = {"client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET", "password": "PASSWORD"}
    environment = {
        variable: str(where.options[name])
        for name, variable in secrets.items()
        if name in where.options
    }
    options = {
        name: {"env": secrets[name]} if name in secrets else value
        for name, value in where.options.items()
    }
    configuration = where.folder / "integration.json"
    configuration.write_text(
        json.dumps(
            {
                "target_id": "local",
                "package_id": "local",
                "connection_kwargs": options,
                "read_only_sql": SQL,
                "expected_rows": [[number] for number in range(20)],
                "schema_name": "sales",
                "result_batch_v2": {"expected_protocol": "v2", "ordered_results": True},
            }
        )
    )
    report = where.folder / "report.xml"
    done = subprocess.run(
        [
            *(str(python), "-m", "pytest", "-q", "-p", "integration_option"),
            *("-p", "no:cacheprovider", "-c", str(where.folder / "pytest.ini")),
            *("--rootdir", str(packages(python)), f"--junitxml={report}"),
            f"--integration-config={configuration}",
            *(str(argument) for argument in arguments),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        cwd=where.folder,
        env={
            **os.environ,
            **environment,
            **where.environment,
            **told,
            "PYTHONPATH": f"{where.folder}{os.pathsep}{packages(python)}",
        },
    )
    if not report.exists():
        raise RuntimeError(f"the connector's tests failed as a whole: {done.stderr[-2000:]}")
    return [_outcome(suite, case) for case in ElementTree.parse(report).iter("testcase")]


def _outcome(suite: str, case: ElementTree.Element) -> Outcome:
    name = f"{case.get('classname')}::{case.get('name')}"
    for result, tag in (("failed", "failure"), ("failed", "error"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            return Outcome(suite, name, result, (found.get("message") or "").strip())
    return Outcome(suite, name, "passed")
