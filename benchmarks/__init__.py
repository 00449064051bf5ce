"""How fast the driver is, and against what: one question a file, each of which runs alone.

`python -m benchmarks` asks all of them and writes `benchmarks/results/` and `docs/performance.md`;
`python -m benchmarks.decode_types --quick` asks one, briefly.
"""
