"""Functions of e6data that DuckDB lacks, as DuckDB macros; every cursor of the engine sees them."""

from __future__ import annotations

from typing import Final

__all__ = ["MACROS"]

_ADD: Final = """CASE lower(unit)
    WHEN 'year' THEN to_years(CAST(amount AS INTEGER))
    WHEN 'quarter' THEN to_months(3 * CAST(amount AS INTEGER))
    WHEN 'month' THEN to_months(CAST(amount AS INTEGER))
    WHEN 'week' THEN to_days(7 * CAST(amount AS INTEGER))
    WHEN 'day' THEN to_days(CAST(amount AS INTEGER))
    WHEN 'hour' THEN to_hours(CAST(amount AS BIGINT))
    WHEN 'minute' THEN to_minutes(CAST(amount AS BIGINT))
    WHEN 'second' THEN to_seconds(CAST(amount AS BIGINT))
    ELSE error('timestamp_add does not know the unit ' || unit) END"""

_FIND: Final = """CASE WHEN strpos(substr(whole, start), part) = 0 THEN 0
    ELSE strpos(substr(whole, start), part) + start - 1 END"""

_INITCAP: Final = r"""array_to_string(list_transform(
    regexp_extract_all(lower(x), '[\p{L}\p{N}]+|[^\p{L}\p{N}]+'), lambda w: upper(w[1]) || w[2:]), '')"""

_BUCKET: Final = """CASE WHEN x < low THEN 0 WHEN x >= high THEN buckets + 1
    ELSE CAST(floor((x - low) * buckets / (high - low)) AS BIGINT) + 1 END"""

_NEXT_DAY: Final = """CAST(d AS DATE) + ((list_position(
    ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'], upper(substr(weekday, 1, 2)))
    - isodow(CAST(d AS DATE)) + 6) % 7 + 1)::INTEGER"""

_BOOLEAN: Final = """CASE WHEN x IS NULL THEN NULL
    WHEN lower(CAST(x AS VARCHAR)) IN ('true', 't', 'yes', 'on', '1') THEN true
    WHEN lower(CAST(x AS VARCHAR)) IN ('false', 'f', 'no', 'off', '0') THEN false
    WHEN try_cast(CAST(x AS VARCHAR) AS DOUBLE) <> 0 AND typeof(x) <> 'VARCHAR' THEN true
    ELSE error('to_boolean cannot read ' || CAST(x AS VARCHAR)) END"""

_EPOCH: Final = """CASE lower(unit)
    WHEN 'seconds' THEN make_timestamp(CAST(CAST(n AS DECIMAL(24, 6)) * 1000000 AS BIGINT))
    WHEN 'milliseconds' THEN make_timestamp(CAST(CAST(n AS DECIMAL(24, 6)) * 1000 AS BIGINT))
    WHEN 'microseconds' THEN make_timestamp(CAST(n AS BIGINT))
    ELSE error('from_unixtime_withunit does not know the unit ' || unit) END"""

_WHOLE: Final = """IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER',
    'UBIGINT')"""
_DIVIDE: Final = f"""CASE WHEN typeof(x) {_WHOLE} AND typeof(y) {_WHOLE}
    THEN error('whole numbers are divided: a fraction here, unverified on a cluster (strict); cast one to DOUBLE')
    ELSE x / y END"""

#: Name → its forms, one a number of arguments.
_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "to_varchar": ("(x) AS CAST(x AS VARCHAR)",),
    "to_boolean": (f"(x) AS {_BOOLEAN}",),
    "charindex": ("(part, whole) AS strpos(whole, part)", f"(part, whole, start) AS {_FIND}"),
    "locate": ("(part, whole) AS strpos(whole, part)", f"(part, whole, start) AS {_FIND}"),
    "initcap": (f"(x) AS {_INITCAP}",),
    "startswith": ("(x, y) AS starts_with(x, y)",),
    "endswith": ("(x, y) AS ends_with(x, y)",),
    "contains_substr": ("(x, y) AS contains(x, y)",),
    "space": ("(n) AS repeat(' ', n)",),
    "regexp_like": ("(x, y) AS regexp_matches(x, y)",),
    "regexp_contains": ("(x, y) AS regexp_matches(x, y)",),
    "regexp_count": ("(x, y) AS CAST(len(regexp_extract_all(x, y)) AS INTEGER)",),
    "to_utf8": ("(x) AS encode(x)",),
    "unbase64_binary": ("(x) AS from_base64(x)",),
    "nvl": ("(x, y) AS coalesce(x, y)",),
    "nvl2": ("(x, y, z) AS CASE WHEN x IS NOT NULL THEN y ELSE z END",),
    "timestamp_add": (f"(unit, amount, moment) AS CAST(moment AS TIMESTAMP) + {_ADD}",),
    "timestamp_diff": (
        "(unit, a, b) AS date_diff(unit, CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP))",
    ),
    "days": ("(d) AS day(CAST(d AS DATE))",),
    "dayofweekiso": ("(d) AS isodow(CAST(d AS DATE))",),
    "weekiso": ("(d) AS weekofyear(CAST(d AS DATE))",),
    "next_day": (f"(d, weekday) AS {_NEXT_DAY}",),
    "from_unixtime_withunit": (f"(n, unit) AS {_EPOCH}",),
    "from_unixtime": (
        "(n) AS make_timestamp(CAST(CAST(n AS DECIMAL(24, 6)) * 1000000 AS BIGINT))",
    ),
    "to_unix_timestamp": ("(t) AS CAST(floor(epoch(CAST(t AS TIMESTAMP))) AS BIGINT)",),
    "from_iso8601_timestamp": ("(x) AS CAST(x AS TIMESTAMPTZ)",),
    "convert_timezone": (
        "(a, b, t) AS timezone(b, timezone(a, CAST(t AS TIMESTAMP)))",
        "(b, t) AS timezone(b, timezone('UTC', CAST(t AS TIMESTAMP)))",
    ),
    "datetime": ("(t, zone) AS timezone(zone, timezone('UTC', CAST(t AS TIMESTAMP)))",),
    "width_bucket": (f"(x, low, high, buckets) AS {_BUCKET}",),
    "shiftleft": ("(x, n) AS x << n",),
    "shiftright": ("(x, n) AS x >> n",),
    "bitwise_and": ("(x, y) AS x & y",),
    "bitwise_or": ("(x, y) AS x | y",),
    "bitwise_xor": ("(x, y) AS xor(x, y)",),
    "bitwise_not": ("(x) AS ~x",),
    # What `/` becomes in strict mode: the types are known when it is bound.
    "e6_divide": (f"(x, y) AS {_DIVIDE}",),
    "size": ("(x) AS CAST(len(x) AS INTEGER)",),
}

MACROS: Final[tuple[str, ...]] = tuple(
    f"CREATE OR REPLACE MACRO memory.main.{name}{', '.join(forms)}"
    for name, forms in _FORMS.items()
)
