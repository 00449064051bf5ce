#!/usr/bin/env bash
# Fuzzes each target of native/fuzz for the given number of seconds, starting from the golden chunks.
# Needs a nightly toolchain and cargo-fuzz (cargo install cargo-fuzz).
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")/../native"
for target in $(cargo +nightly fuzz list); do
  mkdir -p "fuzz/corpus/$target"
  python3 - "$target" <<'PYTHON'
import base64, json, pathlib, sys

golden = json.loads(pathlib.Path("../tests/golden/chunks.json").read_text())
folder = pathlib.Path("fuzz/corpus") / sys.argv[1]
key = "metadata_b64" if sys.argv[1] == "metadata" else "chunk_b64"
for case in golden["cases"]:
    (folder / case["name"]).write_bytes(base64.b64decode(case[key]))
PYTHON
  cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=5
done
