"""Writes the golden chunks and metadata into the fuzz targets' corpora."""

import base64
import json
import pathlib

HERE = pathlib.Path(__file__).parent
#: Bytes that the tuple inputs take from the front, before the chunk.
PREFIX = {"decode_chunk": b"\x00", "roundtrip": b"\x00\x01"}


def main() -> None:
    """Write one file a case and target."""
    golden = json.loads((HERE.parents[1] / "tests/golden/chunks.json").read_text())
    for target in ("decode_chunk", "roundtrip", "metadata"):
        directory = HERE / "corpus" / target
        directory.mkdir(parents=True, exist_ok=True)
        for case in golden["cases"]:
            key = "metadata_b64" if target == "metadata" else "chunk_b64"
            body = base64.b64decode(case[key])
            (directory / case["name"]).write_bytes(PREFIX.get(target, b"") + body)


if __name__ == "__main__":
    main()
