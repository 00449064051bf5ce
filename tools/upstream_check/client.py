"""The public connector at work: runs under its own interpreter, told on standard input what to do, answers in JSON.

Nothing of this repository can be imported here: the two register messages of the same kind in one process-wide table.
"""

import json
import sys
import threading
import time

from e6data_python_connector import Connection


def main():
    """Reads a task from standard input, writes what the connector returned to standard output."""
    task = json.load(sys.stdin)
    answer = {"values": [], "steps": {}}
    for protocol in ("V1", "V2"):
        connection = _connect(task, protocol)
        try:
            for case in task["cases"]:
                answer["values"].append(_select(connection, protocol, case))
            _steps(connection, protocol, answer["steps"])
        finally:
            connection.close()
    json.dump(answer, sys.stdout)


def _connect(task, protocol):
    return Connection(
        host=task["host"],
        port=task["port"],
        username=task["user"],
        password=task["token"],
        catalog="sample",
        database="sales",
        enable_result_batch_v2=protocol == "V2",
    )


def _select(connection, protocol, case):
    found = {"protocol": protocol, "name": case["name"], "form": case["form"]}
    cursor = connection.cursor()
    try:
        cursor.execute(case["sql"])
        found["rows"] = [[_plain(value) for value in row] for row in cursor.fetchall()]
        found["type"] = cursor.description[0][1]
        cursor.clear()
    except Exception as error:  # noqa: BLE001
        found["error"] = f"{type(error).__name__}: {error}"
    return found


def _plain(value):
    """A value as JSON can carry it: the name of its Python type and its text."""
    if isinstance(value, float):
        return ["float", value.hex()]
    return [type(value).__name__, None if value is None else str(value)]


def _steps(connection, protocol, steps):
    """Everything but values: fetching in pieces, listings, plans, cancel."""

    def step(name, function):
        try:
            steps[f"{protocol} {name}"] = function()
        except Exception as error:  # noqa: BLE001
            steps[f"{protocol} {name}"] = f"failed: {type(error).__name__}: {error}"

    def pieces():
        cursor = connection.cursor()
        cursor.execute("select range from range(20000)")
        sizes = [len(cursor.fetchmany(7000)) for _ in range(4)]
        cursor.clear()
        return sizes

    def one():
        cursor = connection.cursor()
        cursor.execute("select store_id from stores order by 1")
        rows = [cursor.fetchone(), cursor.fetchone()]
        cursor.clear()
        return rows

    def nothing():
        cursor = connection.cursor()
        cursor.execute("select store_id from stores where false")
        rows = cursor.fetchall()
        cursor.clear()
        return rows

    def count():
        cursor = connection.cursor()
        cursor.execute("select * from orders")
        rows = cursor.fetchall()
        answer = [len(rows), cursor.rowcount]
        cursor.clear()
        return answer

    def plans():
        cursor = connection.cursor()
        cursor.execute("select * from orders")
        cursor.fetchall()
        told = json.loads(cursor.explain_analyse()["planner"])
        answer = ["orders" in cursor.explain(), told["row_count_out"]]
        cursor.clear()
        return answer

    def cancel():
        cursor = connection.cursor()
        query_id = cursor.execute(
            "select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3"
        )
        # In V2 mode a cancel from a second thread waits for the fetch in flight and gives up after 10 s.
        timer = threading.Timer(0.3 if protocol == "V1" else 0, cursor.cancel, [query_id])
        timer.start()
        if protocol == "V2":
            timer.join()
        started = time.monotonic()
        try:
            cursor.fetchall()
        except Exception:  # noqa: BLE001
            return time.monotonic() - started < 5
        finally:
            timer.join()
            cursor.clear(query_id)
        return "fetchall returned"

    def mistake():
        cursor = connection.cursor()
        try:
            cursor.execute("select * from nowhere")
        except Exception as error:  # noqa: BLE001
            return "Table with name nowhere does not exist" in str(error)
        return "execute returned"

    cursor = connection.cursor()
    step("fetchmany", pieces)
    step("fetchone", one)
    step("no rows", nothing)
    step("rowcount", count)
    step("plans", plans)
    step("cancel", cancel)
    step("mistake", mistake)
    step("get_schema_names", cursor.get_schema_names)
    step("get_tables", cursor.get_tables)
    step("get_columns", lambda: cursor.get_columns("stores"))
    step("get_catalogs", connection.get_catalogs)
    step("dry_run", lambda: "stores" in connection.dry_run("select * from stores"))


if __name__ == "__main__":
    main()
