"""The public connector at work: runs under its own interpreter, is told on standard input what to do, answers in JSON.

Nothing of this repository can be imported here: the two register messages of the same kind in one process-wide table.
The first line of standard input is the task. A line `{"do": …}` on standard output asks the other side to play the
cluster, which answers with a line; the last line is the result.
"""

import asyncio
import concurrent.futures
import inspect
import json
import os
import sys
import threading
import time

#: What this side says; the connector's own words go to standard error.
OUT = None
ENDLESS = (
    "select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3"
)


def main():
    """Reads a task from standard input, writes what the connector returned to standard output."""
    global OUT  # noqa: PLW0603
    OUT = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = json.loads(sys.stdin.readline())
    client = Async(task) if task["api"] == "async" else Sync(task)
    answer = {"values": [], "steps": {}}
    connection = client.connect()
    try:
        for case in task["cases"]:
            answer["values"].append(_select(connection, case))
        _steps(client, connection, answer["steps"])
    finally:
        connection.close()
    _life(client, answer["steps"])
    _say(answer)


def _say(message):
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def _ask(action, **arguments):
    """Has the other side play the cluster; returns when it is done."""
    _say({"do": action, **arguments})
    return json.loads(sys.stdin.readline())


class Sync:
    """The blocking client."""

    def __init__(self, task):
        self.options = task["connection"]

    def connect(self, **options):
        """Opens a connection; *options* go over those of the task."""
        from e6data_python_connector import Connection

        return Connection(**{**self.options, **options})

    def cancelled(self, cursor, query_id):
        """Cancels a running query while its rows are waited for; returns whether that ended the wait."""
        # In V2 mode a cancel from a second thread waits for the fetch in flight and gives up after 10 s.
        is_v2 = self.options["enable_result_batch_v2"]
        timer = threading.Timer(0 if is_v2 else 0.3, cursor.cancel, [query_id])
        timer.start()
        if is_v2:
            timer.join()
        try:
            cursor.fetchall()
        except Exception:
            return True
        finally:
            timer.join()
        return False

    def pooled(self, count):
        """Runs *count* queries through a pool of fewer connections; returns what they gave, sorted."""
        from e6data_python_connector import ConnectionPool

        pool = ConnectionPool(min_size=1, max_size=3, max_overflow=0, timeout=20, **self.options)

        def one(number):
            with pool.get_connection_context() as lease:
                cursor = lease.connection.cursor()
                cursor.execute(f"select {number}")
                rows = cursor.fetchall()
                cursor.clear()
            return rows[0][0]

        try:
            with concurrent.futures.ThreadPoolExecutor(count) as threads:
                return sorted(threads.map(one, range(count)))
        finally:
            pool.close_all()


class Async:
    """The asyncio client, called from blocking code: every call runs in one event loop."""

    def __init__(self, task):
        self.options = task["connection"]
        self.loop = asyncio.new_event_loop()

    def run(self, coroutine):
        """Waits for *coroutine*; returns its result."""
        return self.loop.run_until_complete(coroutine)

    def connect(self, **options):
        """Opens a connection; *options* go over those of the task."""
        from e6data_python_connector.aio import connect

        return Blocking(self, self.run(connect(**{**self.options, **options})))

    def cancelled(self, cursor, query_id):
        """As that of `Sync`."""
        inner = cursor.inner

        async def both():
            rows = asyncio.ensure_future(inner.fetchall())
            if self.options["enable_result_batch_v2"]:
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0.3)
            await inner.cancel(query_id)
            await asyncio.wait({rows}, timeout=5)
            return rows.done() and (rows.cancelled() or rows.exception() is not None)

        return self.run(both())

    def pooled(self, count):
        """Runs *count* queries through a pool of fewer connections; returns what they gave, sorted."""
        from e6data_python_connector.aio import AsyncConnectionPool

        async def everything():
            pool = AsyncConnectionPool(
                min_size=1, max_size=3, max_overflow=0, timeout=20, **self.options
            )
            async with pool:

                async def one(number):
                    async with pool.get_connection_context() as lease, lease.cursor() as cursor:
                        await cursor.execute(f"select {number}")
                        return (await cursor.fetchall())[0][0]

                return sorted(await asyncio.gather(*map(one, range(count))))

        return self.run(everything())


class Blocking:
    """An object of the asyncio client whose calls wait for what they return."""

    def __init__(self, client, inner):
        self.client = client
        self.inner = inner

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*arguments, **named):
            return self.client.run(self._resolved(found, arguments, named))

        return call

    def __iter__(self):
        return iter(self.client.run(self._resolved(lambda: self.inner, (), {})))

    async def _resolved(self, function, arguments, named):
        result = function(*arguments, **named)
        if inspect.isawaitable(result):
            return await result
        if hasattr(result, "__anext__") and (inspect.isasyncgen(result) or result is self.inner):
            return [item async for item in result]
        return Blocking(self.client, result) if hasattr(result, "fetchall") else result


def _select(connection, case):
    found = {"name": case["name"], "form": case["form"]}
    cursor = connection.cursor()
    try:
        cursor.execute(case["sql"])
        found["rows"] = [[_plain(value) for value in row] for row in cursor.fetchall()]
        found["type"] = cursor.description[0][1]
        cursor.clear()
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    return found


def _plain(value):
    """A value as JSON can carry it: the name of its Python type and its text."""
    if isinstance(value, float):
        return ["float", value.hex()]
    return [type(value).__name__, None if value is None else str(value)]


def _noting(steps):
    def step(name, function):
        try:
            steps[name] = function()
        except Exception as error:
            cause = error.__cause__
            told = f"failed: {type(error).__name__}: {error}"
            steps[name] = told if cause is None else f"{told} <- {cause}"

    return step


def _rows(connection, sql, fetch=None):
    cursor = connection.cursor()
    cursor.execute(sql)
    rows = cursor.fetchall() if fetch is None else fetch(cursor)
    cursor.clear()
    return rows


def _steps(client, connection, steps):
    """Everything but values: fetching in pieces, listings, plans, cancel."""

    def batches(cursor):
        counts = []
        while batch := cursor.fetch_batch():
            counts.append(len(batch))
        return [sum(counts), max(counts)]

    def count():
        cursor = connection.cursor()
        cursor.execute("select * from orders")
        rows = cursor.fetchall()
        cursor.update_mete_data()
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

    def status():
        cursor = connection.cursor()
        query_id = cursor.execute("select * from stores")
        cursor.fetchall()
        told = cursor.status(query_id)
        cursor.clear()
        return [told.status, told.rowCount]

    def cancel():
        cursor = connection.cursor()
        query_id = cursor.execute(ENDLESS)
        started = time.monotonic()
        ended = client.cancelled(cursor, query_id)
        cursor.clear()
        return ended and time.monotonic() - started < 5

    def mistake():
        cursor = connection.cursor()
        try:
            cursor.execute("select * from nowhere")
        except Exception as error:
            return "nowhere does not exist" in f"{error} {error.__cause__}"
        return "execute returned"

    def parameters():
        cursor = connection.cursor()
        cursor.execute("select %(a)s, %(b)s", {"a": 17, "b": "it's"})
        rows = cursor.fetchall()
        cursor.clear()
        return rows

    cursor = connection.cursor()
    step = _noting(steps)
    thousands = "select range from range(20000)"
    two = "select store_id from stores order by 1 limit 2"
    step(
        "fetchmany",
        lambda: _rows(connection, thousands, lambda c: [len(c.fetchmany(7000)) for _ in range(3)]),
    )
    step("fetchone", lambda: _rows(connection, two, lambda c: [c.fetchone(), c.fetchone()]))
    step("fetch_batch", lambda: _rows(connection, thousands, batches))
    step(
        "fetchall_buffer",
        lambda: _rows(connection, thousands, lambda c: sum(map(len, c.fetchall_buffer()))),
    )
    step("iteration", lambda: _rows(connection, two, list))
    step("no rows", lambda: _rows(connection, "select store_id from stores where false"))
    step("rowcount", count)
    step("parameters", parameters)
    step("plans", plans)
    step("status", status)
    step("cancel", cancel)
    step("mistake", mistake)
    step("get_schema_names", cursor.get_schema_names)
    step("get_tables", cursor.get_tables)
    step("get_columns", lambda: cursor.get_columns("stores"))
    if isinstance(client, Sync):
        step("get_catalogs", connection.get_catalogs)
    step("dry_run", lambda: "stores" in connection.dry_run("select * from stores"))


def _life(client, steps):
    """A cluster's life: a pool, another colour in three ways, a cluster that sleeps."""

    def ask(connection):
        return _rows(connection, "select 7")

    def announced():
        connection = client.connect()
        try:
            ask(connection)
            _ask("switch", announce=True)
            ask(connection)  # hears of the new colour
            before = ask(connection)
            _ask("switch", drain=True)
            return [before, ask(connection)]
        finally:
            connection.close()

    def pinned():
        connection = client.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("select range from range(20000)")
            first = len(cursor.fetchmany(10))
            _ask("switch", drain=True)
            rest = len(cursor.fetchall())
            cursor.clear()
            return [first, rest]
        finally:
            connection.close()

    def abrupt():
        connection = client.connect()
        try:
            ask(connection)
            _ask("switch")
            return ask(connection)
        finally:
            connection.close()

    def again():
        connection = client.connect()
        try:
            return ask(connection)
        finally:
            connection.close()

    def resumed():
        _ask("suspend", states=["active"])
        return [again(), _ask("resumes")]

    step = _noting(steps)
    step("pool", lambda: client.pooled(8))
    step("switch, announced", announced)
    step("switch, query pinned", pinned)
    step("connect after the switch", again)
    step("switch, abrupt", abrupt)
    step("connect after an abrupt switch", again)
    step("auto-resume", resumed)


if __name__ == "__main__":
    main()
