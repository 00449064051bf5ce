"""How many small faults in the rules of repetition the tests notice.

`python -m checks.mutants` has cosmic-ray change one place of `decide.py` or `retry_table.py` at a time, in a copy, and
runs their tests; it prints the share of changes that failed a test, and those that did not. Some of the latter cannot
fail one: `is` and `==` are the same for members of an enum. Takes some 15 minutes on two cores.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENT: Final = ROOT / ".venv-mutants"
REQUIREMENT: Final = "cosmic-ray==8.7.0"
MODULES: Final = (
    "e6data_adbc/_session/retry/decide.py",
    "e6data_adbc/_session/retry/retry_table.py",
)
TESTS: Final = "tests/session/test_retry.py"
#: The share that has to be noticed.
WANTED: Final = 0.85

_SETTINGS: Final = """[cosmic-ray]
module-path = {module}
timeout = 60.0
excluded-modules = []
test-command = {command}
[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    """Prints the score of each module and of all; returns 1 where that is too low."""
    runner = _installed()
    with ThreadPoolExecutor(len(MODULES)) as pool:
        found = dict(
            zip(MODULES, pool.map(lambda module: _run(runner, module), MODULES), strict=True)
        )
    print("| module | changes | noticed |\n|---|---|---|")
    for module, outcomes in found.items():
        noticed = sum(outcome is None for outcome in outcomes)
        print(f"| `{module}` | {len(outcomes)} | {noticed / len(outcomes):.1%} |")
    total = [outcome for outcomes in found.values() for outcome in outcomes]
    score = total.count(None) / len(total)
    print(f"| all | {len(total)} | {score:.1%} |\n")
    for module, outcomes in found.items():
        for text in sorted(filter(None, outcomes)):
            print(f"{module}:{text}")
    return score < WANTED


def _installed() -> Path:
    """Returns the program, in an environment of its own."""
    program = ENVIRONMENT / "bin" / "cosmic-ray"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, REQUIREMENT], check=True)
    return program


def _run(runner: Path, module: str) -> list[str | None]:
    """Returns for each change of *module* its place and kind, or None where a test noticed it."""
    with tempfile.TemporaryDirectory(prefix="e6data-mutants-") as name:
        folder = Path(name)
        for part in ("e6data_adbc", "adbc_driver_e6data", "tests", "tools", "benchmarks"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "pyproject.toml", folder)
        tests = f"{sys.executable} -m pytest -q -x -p no:randomly -p no:cacheprovider {TESTS}"
        settings = _SETTINGS.format(module=json.dumps([module]), command=json.dumps(tests))
        (folder / "settings.toml").write_text(settings)
        subprocess.run(tests.split(), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for step in ("init", "exec"):
            subprocess.run([str(runner), step, "settings.toml", "session"], cwd=folder, check=True)
        told = subprocess.run(
            [str(runner), "dump", "session"], cwd=folder, check=True, capture_output=True, text=True
        )
    return [_outcome(*json.loads(line)) for line in told.stdout.splitlines()]


def _outcome(change: dict[str, list[dict[str, object]]], result: dict[str, str]) -> str | None:
    if result["test_outcome"] != "survived":
        return None
    (mutation,) = change["mutations"]
    return f"{mutation['start_pos'][0]}: {mutation['operator_name']}"  # type: ignore[index]


if __name__ == "__main__":
    sys.exit(main())
