"""The environment in `.venv`: Python and Rust are checked first, then packages are installed and the driver is built.

`make` calls this. Nothing outside the checkout is changed: where cargo is missing or too old, a toolchain is put into
`.rust`. It runs on any Python from 3.6 on, so that an old one can be told what is wrong, and needs no package.
"""

import argparse
import contextlib
import glob
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import slimming

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LEAST_PYTHON = (3, 10)
LEAST_PIP = (25, 1)  # the first with dependency groups

ENVIRONMENT = os.path.join(ROOT, ".venv")
WHEEL_ENVIRONMENT = os.path.join(ROOT, ".venv-wheel")
RUST = os.path.join(ROOT, ".rust")

#: What loads the libraries of the demonstration.
LOADED = (
    "adbc_driver_manager",
    "duckdb",
    "grpc",
    "polars",
    "pyarrow.dataset",
    "pyarrow.flight",
    "pyarrow.fs",
    "pyarrow.substrait",
    "e6data_adbc._native",
)

NO_RUST = """\
To build the driver, install Rust {least} or later (https://rustup.rs, or your system's package `rustup`),
or run a built wheel without any Rust: make demo WHEEL=path/to/e6data_adbc.whl"""


class SetUpError(Exception):
    """What stands in the way, for the user to read.

    Attributes:
        cause: Its lines without what a failed program printed, but for the last: tracebacks have theirs there.
    """

    def __init__(self, text, printed=""):
        super().__init__(f"{printed}\n{text}" if printed else text)
        last = printed.rstrip().rsplit("\n", 1)[-1]
        self.cause = f"{last}\n{text}" if last else text


def check_python():
    """Raises SetUpError if this Python is too old, or cannot fetch packages."""
    if sys.version_info < LEAST_PYTHON:
        raise SetUpError(
            "Python {}.{} is too old: e6data_adbc needs 3.10 or later; name one with make PYTHON=python3.12".format(
                *sys.version_info[:2]
            )
        )
    for module, package in (("ssl", "OpenSSL"), ("ensurepip", "python3-venv")):
        if not can_import(module):
            raise SetUpError(
                f"{sys.executable} cannot fetch packages: its module {module!r} does not load; install {package}, or"
                " name another Python with make PYTHON=python3.12"
            )


def can_import(module):
    """Tells whether *module* and the libraries that it needs can be loaded."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


# ---- Rust


def least_rust():
    """Returns the oldest Rust that builds the driver, as the workspace says."""
    with open(os.path.join(ROOT, "native", "Cargo.toml"), encoding="utf-8") as file:
        return re.search(r'^rust-version = "([\d.]+)"', file.read(), re.MULTILINE).group(1)


def rust_problem(environment):
    """Returns why the cargo on the path cannot build the driver, or None."""
    if shutil.which("cargo", path=environment["PATH"]) is None:
        return "there is no cargo on the path"
    answer = subprocess.run(
        ["rustc", "--version"],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found = re.match(r"rustc (\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found:
        return "rustc does not run: {}".format(answer.stdout.strip().split("\n")[0])
    if tuple(map(int, found.groups())) < tuple(map(int, least_rust().split("."))):
        return "Rust {}.{} is too old: {} is needed".format(*found.groups(), least_rust())
    return None


def rust_environment():
    """Returns the variables under which cargo builds here, or raises SetUpError at once if that is refused."""
    environment = dict(os.environ)
    problem = rust_problem(environment)
    if problem is None:
        home = environment.get("CARGO_HOME") or os.path.join(os.path.expanduser("~"), ".cargo")
        if not can_write(home):
            environment["CARGO_HOME"] = cargo_home_here(home)
        return environment
    known = os.path.join(RUST, "environment.json")
    if os.path.exists(known):
        with open(known, encoding="utf-8") as file:
            inside = within(environment, json.load(file)["env"])
        if rust_problem(inside) is None:
            return inside
    if environment.get("BOOTSTRAP_RUST") == "0":
        raise SetUpError(
            f"{problem}, and BOOTSTRAP_RUST=0 forbids to fetch one.\n{NO_RUST.format(least=least_rust())}"
        )
    say(f"{problem}: a Rust toolchain goes into .rust (BOOTSTRAP_RUST=0 refuses)")
    return None


def fetch_rust(python):
    """Puts a toolchain into the checkout; returns the variables under which it builds."""
    known = os.path.join(RUST, "environment.json")
    os.makedirs(RUST, exist_ok=True)
    try:
        step("Fetching puccinialin", [python, "-m", "pip", "install", "--quiet", "puccinialin"])
        step(
            "Fetching Rust by rustup",
            [python, "-m", "puccinialin", "--location", RUST, "--info-json", known],
        )
    except SetUpError as error:
        raise SetUpError(
            f"{error.cause}\nRust could not be fetched.\n{NO_RUST.format(least=least_rust())}"
        ) from None
    with open(known, encoding="utf-8") as file:
        inside = within(os.environ, json.load(file)["env"])
    problem = rust_problem(inside)
    if problem is not None:
        raise SetUpError(f"Rust was fetched, but {problem}.\n{NO_RUST.format(least=least_rust())}")
    return inside


def within(environment, more):
    """Returns *environment* with the variables of a toolchain, whose folder comes first on the path."""
    first = os.path.join(more["CARGO_HOME"], "bin")
    return dict(environment, **dict(more, PATH=first + os.pathsep + environment["PATH"]))


def cargo_home_here(home):
    """Returns a folder for cargo's downloads in the checkout, with the settings of *home*, which is read-only."""
    here = os.path.join(RUST, "cargo-home")
    os.makedirs(here, exist_ok=True)
    for name in ("config.toml", "config"):
        if os.path.isfile(os.path.join(home, name)):
            shutil.copyfile(os.path.join(home, name), os.path.join(here, name))
    return here


def can_write(folder):
    """Tells whether *folder* can be written, or made."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK)


# ---- Python


def make_environment(folder):
    """Returns the Python of the virtual environment in *folder*, which is made where it is missing or broken."""
    python = os.path.join(folder, "bin", "python")
    works = (
        os.path.exists(python)
        and subprocess.run(
            [python, "-m", "pip", "--version"],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode
        == 0
    )
    if not works:
        say(f"Making {os.path.relpath(folder, ROOT)}")
        try:
            # Links, as `python -m venv` makes them: copies of the interpreter take 20 MiB.
            venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
        except subprocess.CalledProcessError as error:
            raise SetUpError(
                f"could not make a virtual environment: {error}\nOn Debian, install python3-venv."
            ) from None
    version = subprocess.run(
        [python, "-c", "import pip; print(pip.__version__)"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < LEAST_PIP:
        step(
            "Fetching pip",
            [python, "-m", "pip", "install", "--quiet", "pip>={}.{}".format(*LEAST_PIP)],
        )
    return python


def build(python, environment, maturin):
    """Builds the driver in release mode into the checkout, and makes it known by its name in the environment."""
    bin_folder = os.path.dirname(python)
    variables = dict(
        environment,
        VIRTUAL_ENV=os.path.dirname(bin_folder),
        PATH=bin_folder + os.pathsep + environment["PATH"],
    )
    step(
        "Building the Rust core (some minutes the first time)",
        [maturin, "develop", "--release"],
        variables,
    )
    step(
        "Making the driver known by its name",
        [python, "-m", "e6data_adbc", "install-manifest", "--venv"],
    )


@contextlib.contextmanager
def maturin_of(python):
    """Yields the program that builds the driver: of the environment, else one that is there while it is needed."""
    installed = os.path.join(os.path.dirname(python), "maturin")
    if os.path.exists(installed):
        yield installed
        return
    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        wanted = re.search(r'^requires = \["(maturin[^"]*)"\]', file.read(), re.MULTILINE).group(1)
    folder = tempfile.mkdtemp(prefix=".maturin-", dir=ENVIRONMENT)
    try:
        step(
            "Fetching maturin",
            [python, "-m", "pip", "install", "--quiet", "--target", folder, wanted],
        )
        yield os.path.join(folder, "bin", "maturin")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_older(stamp, sources):
    """Tells whether *stamp* is missing or older than one of *sources*."""
    if not os.path.exists(stamp):
        return True
    made = os.path.getmtime(stamp)
    return any(os.path.getmtime(source) > made for source in sources)


def rust_sources():
    """Yields the files that the native module is built of."""
    native = os.path.join(ROOT, "native")
    yield os.path.join(ROOT, "pyproject.toml")
    for name in ("Cargo.toml", "Cargo.lock"):
        yield os.path.join(native, name)
    for folder, folders, names in os.walk(native):
        # Crates beside the workspace's and what cargo builds are no part of it.
        folders[:] = [name for name in folders if name not in ("target", "fuzz", "benchserver")]
        for name in names:
            if name.endswith(".rs") or name == "Cargo.toml":
                yield os.path.join(folder, name)


# ---- what make asks for


def set_up(group):
    """Makes `.venv` with the packages of *group*, and the driver in it."""
    environment = rust_environment()
    python = make_environment(ENVIRONMENT)
    # The demonstration imports a small part of what it installs, which is compiled when it is imported.
    sparing = ["--no-compile"] if group == "demo" else []
    step(
        "Installing packages",
        [python, "-m", "pip", "install", "--quiet", *sparing, "--group", group],
    )
    built = os.path.join(ENVIRONMENT, ".native")
    if is_older(built, rust_sources()):
        with maturin_of(python) as maturin:
            build(python, fetch_rust(python) if environment is None else environment, maturin)
        touch(built)
    if group == "demo":
        drop_extras(python)
    touch(os.path.join(ENVIRONMENT, "." + group))


def drop_extras(python):
    """Makes the environment smaller: tests, if they come later, fetch what is dropped."""
    # Python before 3.12 puts setuptools into every environment; nothing here builds by it.
    command = [python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"]
    step("Dropping setuptools", command, is_told=False)
    for packages in glob.glob(os.path.join(ENVIRONMENT, "lib*", "python*", "site-packages")):
        slimming.slim(packages, python, LOADED)


def set_up_wheel(wheel):
    """Makes `.venv-wheel` with *wheel* and what the demonstration needs."""
    if not os.path.isfile(wheel):
        raise SetUpError(f"could not use WHEEL={wheel}: there is no such file")
    python = make_environment(WHEEL_ENVIRONMENT)
    step(
        "Installing the wheel",
        [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel],
    )
    step(
        "Installing packages",
        [python, "-m", "pip", "install", "--quiet", os.path.abspath(wheel) + "[local,polars]"],
    )


def step(title, command, environment=None, *, is_told=True):
    """Runs one step: a line about it, unless it takes no time, and all that it printed if it fails.

    Raises:
        SetUpError: It failed.
    """
    if is_told:
        say(title)
    started = time.monotonic()
    variables = dict(os.environ if environment is None else environment)
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    variables["PIP_ROOT_USER_ACTION"] = "ignore"
    ended = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ended.returncode:
        raise SetUpError(
            "{} failed after {:.0f} s: {}".format(
                title, time.monotonic() - started, " ".join(command)
            ),
            ended.stdout.rstrip(),
        )


def say(text):
    """Tells the user, at once."""
    print(text, flush=True)


def touch(path):
    """Makes *path* as new as now."""
    with open(path, "w", encoding="utf-8"):
        pass


def main():
    """Sets up; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=["demo", "test"], help="which packages to install")
    parser.add_argument("--wheel", help="install this wheel in place of building the driver")
    arguments = parser.parse_args()
    try:
        check_python()
        if arguments.wheel:
            set_up_wheel(arguments.wheel)
        else:
            set_up(arguments.group)
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
