"""Generates the protobuf message classes in `e6data_adbc/_wire` from `protos/*.proto`.

Run it through `make generate`: it needs `grpcio-tools` of the version pinned there. That version is old on purpose.
Its output has no check of the protobuf runtime's version and loads on every protobuf from 4.25 on, so that the
driver does not force a protobuf release on the programs it is installed next to.

The files are compiled under the path `e6data_adbc/_wire/`, and the messages carry the package `e6data_adbc.wire`:
protobuf's registry is one per process, and both names must differ from those of any other e6data client.
"""

import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
TARGET = "e6data_adbc/_wire"


def main() -> int:
    """Writes `*_pb2.py` and `*_pb2.pyi` beside each other; returns protoc's exit code."""
    names = sorted(path.name for path in (ROOT / "protos").glob("*.proto"))
    return protoc.main(
        [
            "protoc",
            f"-I{TARGET}={ROOT / 'protos'}",
            f"--python_out={ROOT}",
            f"--pyi_out={ROOT}",
            *(f"{TARGET}/{name}" for name in names),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
