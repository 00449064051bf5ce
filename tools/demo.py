"""Runs a few analytical queries through the ADBC driver manager and shows what comes back, and how fast.

Without `E6DATA_URI` it opens the local engine with its sample data. With it, it runs on that cluster, whose tables are
not known here: `E6DATA_SQL` may name a query whose rows to stream.
"""

from __future__ import annotations

import os
import sys
import time

import polars as pl
from adbc_driver_manager import dbapi

SAMPLE = {
    "Revenue by country and quarter: a join of four tables, exact decimals": """
        select s.country, d.d_quarter_name as quarter, count(distinct o.order_id) as orders,
               sum(i.quantity * i.unit_price) as revenue
        from orders o
        join order_items i on i.order_id = o.order_id
        join stores s on s.store_id = o.store_id
        join date_dim d on d.d_date = o.order_date
        where o.status <> 'returned'
        group by s.country, d.d_quarter_name
        order by revenue desc
        limit 4
    """,
    "Customers who waited longest: timestamps with and without a zone, nulls": """
        select c.name, o.ordered_at, o.delivered_at, o.handling_time, c.credit
        from orders o join customers c on c.customer_id = o.customer_id
        where o.handling_time is not null
        order by o.handling_time desc, o.order_id
        limit 4
    """,
    "Products: strings beyond ASCII, nested values as text, booleans": """
        select name, category, price, weight_kg, in_stock, attributes
        from products
        order by price desc, product_id
        limit 4
    """,
    "Ranks: window functions over a grouped result": """
        select category, name, sold, rank() over (partition by category order by sold desc) as place
        from (
            select p.category, p.name, sum(i.quantity) as sold
            from order_items i join products p on p.product_id = i.product_id
            group by p.category, p.name
        ) as totals
        order by place, category
        limit 4
    """,
}

ANYWHERE = {
    "Types": """
        select cast(12345678901234567890.12 as decimal(38, 2)) as amount,
               cast('2026-02-12 00:00:00.123456' as timestamp) as at,
               cast('2026-02-12' as date) as day, 'Grüße, 世界' as text, true as yes
    """,
}

LOCAL_ROWS = 10_000_000
MANY_ROWS = f"""
    select i as id, i % 1000 as bucket, i * 0.25 as score, cast(i % 100000 as decimal(18, 4)) as price,
           timestamp '2026-01-01 00:00:00' + to_seconds(i % 86400) as at
    from range({LOCAL_ROWS}) as t(i)
"""


def show(connection: dbapi.Connection, title: str, sql: str) -> None:
    """Prints one query's frame and how long it took."""
    started = time.perf_counter()
    frame = pl.read_database(sql, connection)
    seconds = time.perf_counter() - started
    print(f"\n{title} ({seconds * 1e3:.1f} ms)\n{frame}")


def stream(connection: dbapi.Connection, sql: str) -> None:
    """Streams one long result batch by batch and prints the rate."""
    with connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute(sql)
        rows = size = batches = 0
        for batch in cursor.fetch_record_batch():
            rows, size, batches = rows + batch.num_rows, size + batch.nbytes, batches + 1
        seconds = time.perf_counter() - started
    print(
        f"\nStreamed {rows:,} rows in {batches} batches in {seconds:.2f} s: "
        f"{rows / seconds / 1e6:.2f} million rows/s, {size / seconds / 2**20:.0f} MiB/s of Arrow data"
    )


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    uri = os.environ.get("E6DATA_URI", "e6data:local")
    is_local = uri.startswith("e6data:local")
    print("Local engine with the sample catalog" if is_local else "The cluster of E6DATA_URI")
    pl.Config.set_tbl_width_chars(120)
    pl.Config.set_tbl_hide_dataframe_shape(active=True)
    with dbapi.connect(driver="e6data", db_kwargs={"uri": uri}, autocommit=True) as connection:
        for title, sql in (SAMPLE if is_local else ANYWHERE).items():
            show(connection, title, sql)
        stream(
            connection, os.environ.get("E6DATA_SQL", MANY_ROWS if is_local else ANYWHERE["Types"])
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
