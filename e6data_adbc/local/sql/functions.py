"""The functions that e6data documents, and what the local engine does with each."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

__all__ = ["FUNCTIONS", "Function", "Support"]


class Support(enum.Enum):
    """How close the local engine comes."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    MISSING = "missing"


@dataclasses.dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: In upper case.
        group: The heading under which it is listed.
        support: How close the local engine comes.
        example: An expression that uses it, over `numbers(n)` = 1, 2, 3 where it aggregates; empty if missing.
        value: What the example gives, as text.
        note: What is different.
    """

    name: str
    group: str
    support: Support
    example: str = ""
    value: str | None = None
    note: str = ""


#: Group → lines of `NAME | example | value | note`; a note makes it approximate.
_EXACT: Final = {
    "Text": """
ASCII | ascii('234') | 50
CHARINDEX | charindex('bar', 'abcbarbar', 5) | 7
CHARACTER_LENGTH | character_length('naïve') | 5
CHAR_LENGTH | char_length('naïve') | 5
CHR | chr(65) | A
CONCAT | concat('a', 'b', 'c') | abc
CONCAT_WS | concat_ws('-', 'a', 'b') | a-b
CONTAINS_SUBSTR | contains_substr('SparkSQL', 'SQL') | true | \
Case counts here; whether it does on a cluster is unverified.
ENDSWITH | endswith('SparkSQL', 'SQL') | true
ILIKE | 'ABC' ilike 'a%' | true
INITCAP | initcap('sPark sql') | Spark Sql
LCASE | lcase('AbC') | abc
LEFT | left('Spark SQL', 3) | Spa
LEN | len('abc') | 3
LENGTH | length('abc') | 3
LISTAGG | (select listagg(n, ',') within group (order by n desc) from numbers) | 3,2,1
LOCATE | locate('6', 'e6data') | 2
LOWER | lower('AbC') | abc
LPAD | lpad('hi', 5, '?') | ???hi
LTRIM | ltrim('  a') | a
MD5 | md5('a') | 0cc175b9c0f1b6a831c399e269772661
REGEXP_CONTAINS | regexp_contains('abc', 'b.') | true | Patterns are RE2's: no look-around, no back references.
REGEXP_COUNT | regexp_count('a1b22', '[0-9]+') | 2 | Patterns are RE2's; the forms with a start and flags are missing.
REGEXP_EXTRACT | regexp_extract('a1b22', '[0-9]+') | 1 | Patterns are RE2's; no match gives the empty text.
REGEXP_LIKE | regexp_like('abc', 'b.') | true | Patterns are RE2's: no look-around, no back references.
REGEXP_REPLACE | regexp_replace('a1b2', '[0-9]', '#') | a#b# | Patterns are RE2's; a group is written \\1.
REPEAT | repeat('ab', 2) | abab
REPLACE | replace('aXbX', 'X', '-') | a-b-
REVERSE | reverse('abc') | cba
RIGHT | right(128, 2) | 28
RPAD | rpad('hi', 5, 'ab') | hiaba
RTRIM | rtrim('a  ') | a
SPACE | '[' || space(2) || ']' | [  ]
SPLIT | split('a,b', ',')[2] | b
SPLIT_PART | split_part('Hello,world,!', ',', 2) | world
STARTSWITH | startswith('abc', 'a') | true
STARTS_WITH | starts_with('abc', 'b') | false
STRING_AGG | (select string_agg(n, ',' order by n) from numbers) | 1,2,3
STRPOS | strpos('hahahahehehe', 'ehe') | 8
INSTR | instr('ABC', 'B') | 2
SUBSTR | substr('abcdef', 2, 3) | bcd
SUBSTRING | substring('abcdef' from 3 for 2) | cd
TO_HEX | to_hex(255) | FF | Whether a cluster writes capitals is unverified.
TO_UTF8 | to_utf8('a') = cast('a' as varbinary) | true
TRANSLATE | translate('abc', 'ab', 'xy') | xyc
TRIM | trim(both 'x' from 'xax') | a
UCASE | ucase('AbC') | ABC
UNBASE64_BINARY | to_hex(unbase64_binary('YWI=')) | 6162
UPPER | upper('AbC') | ABC
""",
    "Dates": """
CONVERT_TIMEZONE | convert_timezone('UTC', 'Asia/Kolkata', timestamp '2024-01-01 10:00:00') | 2024-01-01 15:30:00
CURRENT_DATE | current_date >= date '2024-01-01' | true
CURRENT_TIMESTAMP | current_timestamp >= timestamp '2024-01-01 00:00:00' | true | Has a time zone here.
DATE | date('2024-02-03') | 2024-02-03
DATEDIFF | datediff(date '2009-07-31', date '2009-07-30') | 1
DATEPART | datepart('year', date '2024-02-03') | 2024
DATETIME | datetime(timestamp '2024-01-01 10:00:00', 'Asia/Kolkata') | 2024-01-01 15:30:00
DATE_ADD | date_add('MONTH', 1, date '2024-01-31') | 2024-02-29 | \
A column gives a timestamp, a date literal or cast a date.
DATE_DIFF | date_diff('2009-07-31', '2009-07-30', 'DAY') | 1 | Months and years count the boundaries between.
DATE_FORMAT | date_format(timestamp '2024-03-05 07:08:09', 'dd MMM, EEE') | 05 Mar, Tue | \
The pattern must be a literal.
DATE_TRUNC | date_trunc('month', timestamp '2024-02-03 04:05:06') | 2024-02-01 00:00:00 | A date becomes a timestamp.
DAY | day('2024-11-09') | 9
DAYNAME | dayname(date '2024-11-09') | Saturday | Whether a cluster shortens it is unverified.
DAYOFWEEKISO | dayofweekiso('2024-11-09') | 6
DAYS | days('2024-11-09') | 9
EXTRACT | extract(year from date '2024-02-03') | 2024
FORMAT_DATE | format_date('2024-11-09 09:08:07', 'dd-MM-YY') | 09-11-24 | The pattern must be a literal.
FORMAT_TIMESTAMP | format_timestamp(timestamp '2024-03-05 07:08:09.123', 'yyyy-MM-dd HH:mm:ss.SSS') | \
2024-03-05 07:08:09.123 | \
\
The pattern must be a literal.
FROM_ISO8601_TIMESTAMP | from_iso8601_timestamp('2024-01-01T00:00:00Z') = timestamp '2024-01-01 00:00:00' | true
FROM_UNIXTIME | from_unixtime(1674797653) | 2023-01-27 05:34:13 | A timestamp without a pattern, else text.
FROM_UNIXTIME_WITHUNIT | from_unixtime_withunit(1230219000, 'seconds') | 2008-12-25 15:30:00
HOUR | hour(timestamp '2024-01-01 10:11:12') | 10
LAST_DAY | last_day('2024-02-03') | 2024-02-29
MINUTE | minute(timestamp '2024-01-01 10:11:12') | 11
MONTH | month('2024-11-09') | 11
NEXT_DAY | next_day('2015-01-14', 'TU') | 2015-01-20
NOW | now() >= timestamp '2024-01-01 00:00:00' | true | Has a time zone here.
PARSE_DATE | parse_date('%Y-%m-%d', '2016-04-08') | 2016-04-08 | The pattern must be a literal.
PARSE_DATETIME | parse_datetime('%Y-%m-%d %H:%i:%S', '2016-04-08 12:10:15') | 2016-04-08 12:10:15 | \
The pattern must be a literal.
PARSE_TIMESTAMP | parse_timestamp('%Y-%m-%d', '2016-04-08') | 2016-04-08 00:00:00 | The pattern must be a literal.
QUARTER | quarter('2024-11-09') | 4
SECOND | second(timestamp '2024-01-01 10:11:12') | 12
TIMESTAMP | timestamp('2024-01-01') | 2024-01-01 00:00:00
TIMESTAMP_ADD | timestamp_add('DAY', 2, timestamp '2024-02-28 01:02:03') | 2024-03-01 01:02:03
TIMESTAMP_DIFF | timestamp_diff(timestamp '2024-01-02 00:00:00', timestamp '2024-01-01 00:00:00', 'HOUR') | 24 | \
Counts the \
boundaries between.
TO_DATE | to_date('05/03/2024', 'dd/MM/yyyy') | 2024-03-05 | The pattern must be a literal.
TO_TIMESTAMP | to_timestamp('2024-03-05 07:08', 'yyyy-MM-dd HH:mm') | 2024-03-05 07:08:00 | \
The pattern must be a literal.
TO_UNIX_TIMESTAMP | to_unix_timestamp(timestamp '2023-01-27 05:34:13') | 1674797653
WEEK | week('2024-11-09') | 45
WEEKISO | weekiso('2024-11-09') | 45
WEEKOFYEAR | weekofyear('2024-11-09') | 45
YEAR | year('2024-11-09') | 2024
""",
    "Numbers": """
ABS | abs(-3) | 3
ACOS | acos(1) | 0.0
ASIN | asin(0) | 0.0
ATAN | atan(0) | 0.0
BITWISE_AND | bitwise_and(6, 3) | 2
BITWISE_NOT | bitwise_not(1) | -2
BITWISE_OR | bitwise_or(6, 3) | 7
BITWISE_XOR | bitwise_xor(6, 3) | 5
CBRT | round(cbrt(27), 9) | 3.0
CEIL | ceil(1.2) | 2
CEILING | ceiling(1.2) | 2
COS | cos(0) | 1.0
COSH | cosh(0) | 1.0
DEGREES | degrees(0) | 0.0
EXP | exp(0) | 1.0
FACTORIAL | factorial(5) | 120
FLOOR | floor(1.8) | 1
GREATEST | greatest(1, 3, 2) | 3
LEAST | least(2, 1, 3) | 1
LN | ln(1) | 0.0
LOG10 | log10(100) | 2.0
MOD | mod(-7, 3) | -1
PI | round(pi(), 2) | 3.14
POW | pow(2, 10) | 1024.0
POWER | power(2, 10) | 1024.0
RADIANS | radians(0) | 0.0
RAND | rand() between 0 and 1 | true
RANDOM | random() between 0 and 1 | true
ROUND | round(5.678, 2) | 5.68
SHIFTLEFT | shiftleft(2, 2) | 8
SHIFTRIGHT | shiftright(8, 2) | 2
SIGN | sign(-5) | -1
SIN | sin(0) | 0.0
SINH | sinh(0) | 0.0
SQRT | sqrt(9) | 3.0
TAN | tan(0) | 0.0
TANH | tanh(0) | 0.0
TRUNCATE | truncate(1.9) | 1
WIDTH_BUCKET | width_bucket(5.35, 0.024, 10.06, 5) | 3
""",
    "Conversion and choice": """
CAST | cast('12' as int) | 12
COALESCE | coalesce(null, 2) | 2
FORMAT | format('%.2f', 3.14159e0) | 3.14 | printf's rules: grouping by comma is missing.
NULLIF | nullif(1, 2) | 1
NVL | nvl(null, 2) | 2
NVL2 | nvl2('spark', 2, 1) | 2
TO_BOOLEAN | to_boolean('yes') | true
TO_CHAR | to_char(timestamp '2024-03-05 07:08:09', 'yyyy/MM/dd') | 2024/03/05 | Patterns of numbers are missing.
TO_JSON | to_json(array[1, 2]) | [1,2]
TO_VARCHAR | to_varchar(12) | 12
TRY_CAST | try_cast('x' as int) is null | true
TYPEOF | typeof(cast(1 as int)) | INTEGER | Names of DuckDB's types.
""",
    "Aggregates": """
ANY_VALUE | (select any_value(7) from numbers) | 7
APPROX_COUNT_DISTINCT | (select approx_count_distinct(n) from numbers) | 3 | Another sketch than a cluster's.
APPROX_PERCENTILE | (select approx_percentile(n, 0.5) from numbers) | 2 | Another sketch than a cluster's.
APPROX_QUANTILES | (select approx_quantiles(n, 0.5) from numbers) | 2 | Another sketch than a cluster's.
ARBITRARY | (select arbitrary(7) from numbers) | 7
ARRAY_AGG | (select array_agg(n order by n) from numbers) | [1, 2, 3]
AVG | (select avg(n) from numbers) | 2.0
COLLECT_LIST | (select collect_list(n) from (select 1 as n)) | [1] | Keeps nulls.
CORR | (select corr(n, n) from numbers) | 1.0
COUNT | (select count(distinct n) from numbers) | 3
COUNT_IF | (select count_if(n > 1) from numbers) | 2
COVAR_POP | (select round(covar_pop(n, n), 4) from numbers) | 0.6667
COVAR_SAMP | (select covar_samp(n, n) from numbers) | 1.0
MAX | (select max(n) from numbers) | 3
MAX_BY | (select max_by(n, -n) from numbers) | 1
MEDIAN | (select median(n) from numbers) | 2.0
MIN | (select min(n) from numbers) | 1
MIN_BY | (select min_by(n, -n) from numbers) | 3
PERCENTILE_CONT | (select percentile_cont(0.5) within group (order by n) from numbers) | 2.0
STDDEV | (select stddev(n) from numbers) | 1.0
STDDEV_POP | (select round(stddev_pop(n), 4) from numbers) | 0.8165
STDDEV_SAMP | (select stddev_samp(n) from numbers) | 1.0
SUM | (select sum(n) from numbers) | 6 | Of integers it is a DECIMAL128 of scale 0; a cluster's type is unverified.
VARIANCE | (select variance(n) from numbers) | 1.0
VAR_POP | (select round(var_pop(n), 4) from numbers) | 0.6667
VAR_SAMP | (select var_samp(n) from numbers) | 1.0
""",
    "Windows": """
DENSE_RANK | (select max(r) from (select dense_rank() over (order by n) as r from numbers)) | 3
FIRST_VALUE | (select max(r) from (select first_value(n) over (order by n) as r from numbers)) | 1
LAG | (select max(r) from (select lag(n, 1) over (order by n) as r from numbers)) | 2
LAST_VALUE | (select min(r) from (select last_value(n) over (order by n) as r from numbers)) | 1
LEAD | (select min(r) from (select lead(n, 1) over (order by n) as r from numbers)) | 2
NTILE | (select max(r) from (select ntile(2) over (order by n) as r from numbers)) | 2
RANK | (select max(r) from (select rank() over (order by n) as r from numbers)) | 3
ROW_NUMBER | (select max(r) from (select row_number() over (order by n) as r from numbers)) | 3
""",
    "Arrays and JSON": """
ARRAY_CONCAT | array_concat(array[1, 2], array[3]) | [1, 2, 3]
ARRAY_CONTAINS | array_contains(array[100, 200], 200) | true
ARRAY_JOIN | array_join(array[1, 2, 3], '+') | 1+2+3 | The third argument, a text for nulls, is missing.
ARRAY_POSITION | array_position(2, array[1, 2, 3]) | 2
ARRAY_TO_STRING | array_to_string(array[1, 2], '+') | 1+2
CARDINALITY | cardinality(array[1, 2, 3]) | 3
ELEMENT_AT | element_at(array[10, 20], 2) | 20
FILTER_ARRAY | filter_array(array[1, 2, 3, 4, 5], x -> x > 3) | [4, 5]
FLATTEN | flatten(array[array[1], array[2]]) | [1, 2]
JSON_EXTRACT | json_extract('{"farm": {"color": "red"}}', '$.farm.color') | red
JSON_VALUE | json_value('{"farm": {"color": "red"}}', '$.farm.color') | red
NAMED_STRUCT | named_struct('x', 1, 'y', 2) | {'x': 1, 'y': 2} | Sent as DuckDB writes it.
SEQUENCE | sequence(1, 4) | [1, 2, 3, 4]
SIZE | size(array[1, 2, 3]) | 3
TRANSFORM | transform(array[1, 2], x -> x * 2) | [2, 4]
UNNEST | (select sum(x) from unnest(array[1, 2]) as t(x)) | 3
""",
}

#: Documented or seen in e6data's own SQL tools; the local engine has nothing for them.
_MISSING: Final = {
    "Text": "SOUNDEX",
    "Conversion and choice": "DECODE",
    "Dates": "TO_TIMESTAMP_NTZ TRUNC",
    "Arrays and JSON": "ARRAY_SLICE REDUCE",
}


def _functions() -> dict[str, Function]:
    found: dict[str, Function] = {}
    for group, lines in _EXACT.items():
        for line in lines.strip().splitlines():
            name, rest = line.split(" | ", 1)
            parts = rest.rsplit(" | ", 2)
            note = ""
            if len(parts) == 3:
                note = parts.pop()
            example, value = parts
            support = Support.APPROXIMATE if note else Support.EXACT
            found[name] = Function(name, group, support, example, value, note)
    for group, names in _MISSING.items():
        for name in names.split():
            found[name] = Function(name, group, Support.MISSING)
    return found


FUNCTIONS: Final = _functions()
