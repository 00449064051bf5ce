"""The built-in catalog `sample`: SQL that makes the same rows on every start."""

from __future__ import annotations

from typing import Final

__all__ = ["CATALOG", "SCHEMA", "STATEMENTS"]

CATALOG: Final = "sample"
SCHEMA: Final = "sales"

# No random function anywhere: every value is arithmetic over a row number, so a test may state what a query returns.
_STORES: Final = """
CREATE TABLE stores AS
SELECT (n + 1)::INTEGER AS store_id,
       (['Berlin Mitte', 'München', '東京', 'São Paulo', 'Zürich', 'Austin', 'Bengaluru', 'Ålesund'])[n + 1] AS name,
       (['DE', 'DE', 'JP', 'BR', 'CH', 'US', 'IN', 'NO'])[n + 1]::VARCHAR AS country,
       DATE '2009-03-01' + (n * 211)::INTEGER AS opened_on,
       (ROW(47.0 + n * 3.25, -10.5 + n * 17.125)::STRUCT(latitude DOUBLE, longitude DOUBLE)) AS location,
       n % 5 <> 4 AS is_open
FROM range(8) AS t(n)
"""

_CUSTOMERS: Final = """
CREATE TABLE customers AS
SELECT (n + 1)::BIGINT AS customer_id,
       (['Åsa', 'Björn', 'Chloé', '大輔', 'Elif', 'Fatima', 'Giorgos', 'Hồng', 'Ivana', 'João'])[n % 10 + 1]
           || ' ' ||
       (['Andersson', 'Müller', 'O''Neill', '佐藤', 'Çelik', 'Khan', 'Παπαδόπουλος', 'Nguyễn'])[n % 8 + 1] AS name,
       CASE WHEN n % 11 <> 7 THEN 'customer' || (n + 1) || '@example.com' END AS email,
       (['new', 'regular', 'gold'])[(n * 7) % 3 + 1]::VARCHAR AS segment,
       DATE '1950-01-01' + ((n * 9173) % 20000)::INTEGER AS born_on,
       TIMESTAMPTZ '2015-01-01 00:00:00+00' + to_microseconds(n * 86399123457) AS signed_up_at,
       CASE WHEN n % 4 <> 3 THEN (((n * 1999) % 100000) * 0.01)::DECIMAL(9, 2) END AS credit,
       CASE WHEN n % 6 = 0 THEN NULL
            ELSE (['tag' || n % 9, 'tag' || (n + 1) % 9, 'tag' || (n + 2) % 9])[1:n % 4] END AS tags,
       CASE WHEN n % 9 <> 0 THEN unhex(substr(md5(n::VARCHAR), 1, 16)) END AS fingerprint
FROM range(1000) AS t(n)
"""

_PRODUCTS: Final = """
CREATE TABLE products AS
SELECT (n + 1)::INTEGER AS product_id,
       (['Kettle', 'Teapot', 'Mug', 'Grinder', 'Scale', 'Filter', 'Tin', 'Brush'])[n % 8 + 1]
           || ' ' || (['S', 'M', 'L', 'XL', '∞'])[n % 5 + 1] AS name,
       (['brewing', 'serving', 'care'])[n % 3 + 1]::VARCHAR AS category,
       ((199 + (n * 7919) % 20000) * 0.01)::DECIMAL(7, 2) AS price,
       CASE WHEN n % 7 <> 5 THEN ((5 + n * 37 % 500) * 0.01)::DOUBLE END AS weight_kg,
       (n % 128)::TINYINT AS shelf,
       n % 10 <> 9 AS in_stock,
       MAP {'colour': (['blue', 'green'])[n % 2 + 1]::VARCHAR, 'size': (n % 5)::VARCHAR} AS attributes
FROM range(200) AS t(n)
"""

_ORDERS: Final = """
CREATE TABLE orders AS
SELECT (n + 1)::BIGINT AS order_id,
       ((n * 7) % 1000 + 1)::BIGINT AS customer_id,
       (n % 8 + 1)::INTEGER AS store_id,
       TIMESTAMP '2023-01-01 00:00:00' + to_microseconds(n * 9461 * 1000000 + n * 137) AS ordered_at,
       CASE WHEN n % 13 <> 12
            THEN TIMESTAMPTZ '2023-01-02 00:00:00+00' + to_microseconds(n * 9461 * 1000000 + n * 3601000137)
            END AS delivered_at,
       (TIMESTAMP '2023-01-01 00:00:00' + to_microseconds(n * 9461 * 1000000))::DATE AS order_date,
       (['open', 'paid', 'sent', 'returned'])[(n * 3) % 4 + 1]::VARCHAR AS status,
       CASE WHEN n % 5 = 0 THEN to_hours((n % 100)::INTEGER) + to_microseconds(n) END AS handling_time
FROM range(10000) AS t(n)
"""

_ORDER_ITEMS: Final = """
CREATE TABLE order_items AS
SELECT (n // 3 + 1)::BIGINT AS order_id,
       (n % 3 + 1)::SMALLINT AS line,
       ((n * 31) % 200 + 1)::INTEGER AS product_id,
       (n % 5 + 1)::INTEGER AS quantity,
       ((199 + ((n * 31) % 200 * 7919) % 20000) * 0.01)::DECIMAL(7, 2) AS unit_price,
       CASE WHEN n % 10 = 0 THEN 0.15 WHEN n % 10 = 5 THEN NULL ELSE 0 END::DECIMAL(5, 4) AS discount,
       CASE WHEN n % 50 = 0 THEN 'gift wrap: ' || (['😀', 'ß', 'ok', ''])[n % 4 + 1] END AS note
FROM range(30000) AS t(n)
"""

#: The columns of TPC-DS that people use, over the same 73049 days.
_DATE_DIM: Final = """
CREATE TABLE date_dim AS
SELECT (2415022 + n)::INTEGER AS d_date_sk,
       'AAAAAAAA' || lpad(to_hex(2415022 + n), 8, '0') AS d_date_id,
       d AS d_date,
       ((year(d) - 1900) * 12 + month(d) - 1)::INTEGER AS d_month_seq,
       ((n + 1) // 7 + 1)::INTEGER AS d_week_seq,
       ((year(d) - 1900) * 4 + quarter(d))::INTEGER AS d_quarter_seq,
       year(d)::INTEGER AS d_year,
       dayofweek(d)::INTEGER AS d_dow,
       month(d)::INTEGER AS d_moy,
       day(d)::INTEGER AS d_dom,
       quarter(d)::INTEGER AS d_qoy,
       dayname(d) AS d_day_name,
       year(d) || 'Q' || quarter(d) AS d_quarter_name,
       CASE WHEN month(d) = 12 AND day(d) IN (25, 26) OR month(d) = 1 AND day(d) = 1 THEN 'Y' ELSE 'N' END AS d_holiday,
       CASE WHEN dayofweek(d) IN (0, 6) THEN 'Y' ELSE 'N' END AS d_weekend,
       (2415022 + n - day(d) + 1)::INTEGER AS d_first_dom,
       (2415022 + n - day(d) + day(last_day(d)))::INTEGER AS d_last_dom
FROM (SELECT n::INTEGER AS n, DATE '1900-01-02' + n::INTEGER AS d FROM range(73049) AS t(n))
"""

#: Run in order in an empty schema that is the current one.
STATEMENTS: Final[tuple[str, ...]] = (
    _STORES,
    _CUSTOMERS,
    _PRODUCTS,
    _ORDERS,
    _ORDER_ITEMS,
    _DATE_DIM,
)
