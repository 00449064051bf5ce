"""What do lost packets do to the rate, by this driver's HTTP/2 and by grpcio?"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks import rates, servers
from benchmarks.harness import Report, Settings, Table, main, median, ratios
from benchmarks.lossy_line import FAR, LineUnavailableError, lossy_line
from benchmarks.rates import GRPCIO, OURS

__all__ = ["run"]

LOSSES = (0.0, 0.001, 0.01)


def run(settings: Settings) -> Report:
    """Returns rows per second over lines that lose no packet, one in a thousand and one in a hundred."""
    report = Report("packet_loss", __doc__)
    table = Table(
        "lineitem, batch by batch, 10,000 rows a chunk",
        ["packets lost", "", "million rows/s", "of grpcio", "µs of CPU a row"],
    )
    servers.benchserver()
    text = servers.query("lineitem", 10_000, settings.pick(24, 8))
    servers.query("tiny", 1, 1)
    for loss in LOSSES:
        # In a process of its own: whoever enters a namespace stays there.
        task = json.dumps({"loss": loss, "text": text, "rounds": settings.pick(9, 2)})
        command = [sys.executable, "-m", "benchmarks.packet_loss", "--at", task]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        samples: dict[str, Any] | None = json.loads(done.stdout.splitlines()[-1])
        if samples is None:
            report.notes.append("Not measured: this system has no namespaces, or no TUN devices.")
            return report
        rates.add_rows(table, f"{loss:.1%}", samples, GRPCIO)
        report.samples[str(loss)] = samples
        over = ratios(rates.million(samples[OURS]), rates.million(samples[GRPCIO]))
        report.figures[f"{loss}_over_grpcio"] = median(over)
    report.tables.append(table)
    report.notes.append(
        "Two network namespaces with a forwarder between their TUN devices, which drops packets by chance, both ways;"
        " it is a third process on the two cores, and its own rate is what limits a line without losses."
    )
    return report


def _measure(loss: float, text: str, rounds: int) -> dict[str, Any] | None:
    try:
        with (
            lossy_line(loss) as far_end,
            servers.serve(host=FAR, within=far_end) as port,
            rates.opened((OURS, GRPCIO), port, 0, host=FAR) as readers,
        ):
            return rates.measure(readers, dict.fromkeys(readers, text), rounds)
    except LineUnavailableError:
        return None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--at"]:
        print(json.dumps(_measure(**json.loads(sys.argv[2]))))
    else:
        main(run)
