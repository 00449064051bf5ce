"""What SQLAlchemy's test suite may ask of this dialect, for 1.4.54, 2.0 and 2.1; each closed row has its reason."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

__all__ = ["CLOSED", "Requirements"]

_NO_TRANSACTIONS: Final = "the engine has no transactions"
_ONE_LEVEL: Final = "AUTOCOMMIT is the only level there is, and these tests turn it off"
_NO_KEYS: Final = "the protocol tells no keys, indexes or constraints"
_NO_TIME: Final = "the engine has no type for times of the day"
_NO_RETURNING: Final = "clusters are not known to have RETURNING; the local engine does"
_NO_COMMENTS: Final = "the protocol tells no comments"
_NO_TEMPORARY: Final = "the engine has no temporary tables"
_NO_NUMBERING: Final = "the engine numbers no rows by itself, and tells no last id"
_NO_FETCH: Final = "the engine has LIMIT; its FETCH FIRST has no variants"
_NO_COMPUTED: Final = "the engine has no computed and no identity columns"

#: Why a requirement is closed.
CLOSED: Final[dict[str, str]] = {
    "on_update_cascade": "the engine's foreign keys cascade nothing",
    "recursive_fk_cascade": "the engine's foreign keys cascade nothing",
    "savepoints": _NO_TRANSACTIONS,
    "two_phase_transactions": _NO_TRANSACTIONS,
    "implements_get_lastrowid": _NO_NUMBERING,
    "autoincrement_insert": _NO_NUMBERING,
    "autoincrement_without_sequence": _NO_NUMBERING,
    "insert_returning": _NO_RETURNING,
    "update_returning": _NO_RETURNING,
    "delete_returning": _NO_RETURNING,
    "update_returning_dialect_not_supported": _NO_RETURNING,
    "primary_key_constraint_reflection": _NO_KEYS,
    "foreign_key_constraint_reflection": _NO_KEYS,
    "index_reflection": _NO_KEYS,
    "unique_constraint_reflection": _NO_KEYS,
    "check_constraint_reflection": _NO_KEYS,
    "indexes_with_ascdesc": _NO_KEYS,
    "reflect_indexes_with_ascdesc": _NO_KEYS,
    "comment_reflection": _NO_COMMENTS,
    "temporary_tables": _NO_TEMPORARY,
    "temp_table_reflection": _NO_TEMPORARY,
    "temp_table_reflect_indexes": _NO_TEMPORARY,
    "time": _NO_TIME,
    "time_microseconds": _NO_TIME,
    "time_implicit_bound": _NO_TIME,
    "time_timezone": _NO_TIME,
    "fetch_ties": _NO_FETCH,
    "fetch_percent": _NO_FETCH,
    "computed_columns": _NO_COMPUTED,
    "identity_columns": _NO_COMPUTED,
    "autocommit": _ONE_LEVEL,
    "isolation_level": _ONE_LEVEL,
    "skip_autocommit_rollback": _ONE_LEVEL,
    "index_ddl_if_exists": _NO_KEYS,
    "order_by_collation": "the engine has no collations",
    "supports_distinct_on": "the engine has no DISTINCT ON",
    "reflect_tables_no_columns": "the engine has no tables without columns",
    "json_type": "JSON_EXTRACT gives text without quotes, so elements are read as what the caller says they are",
}
#: What the suite has closed unless a dialect opens it.
OPEN: Final = (
    "uuid_data_type",
    "ctes",
    "ctes_with_values",
    "ctes_with_update_delete",
    "ctes_on_dml",
    "table_value_constructor",
    "boolean_col_expressions",
    "nullsordering",
    "intersect",
    "except_",
    "window_functions",
    "window_range",
    "window_range_numeric",
    "window_range_non_numeric",
    "tuple_in",
    "tuple_in_w_empty",
    "views",
    "schemas",
    "implicit_default_schema",
    "default_schema_name_switch",
    "schema_create_delete",
    "create_table_as",
    "table_ddl_if_exists",
    "create_or_replace_view",
    "unicode_ddl",
    "datetime_interval",
    "datetime_literals",
    "datetime_timezone",
    "datetime_timezone_historic",
    "timestamp_microseconds",
    "datetime_historic",
    "date_historic",
    "precision_numerics_enotation_small",
    "precision_numerics_many_significant_digits",
    "precision_numerics_retains_significant_digits",
    "cast_precision_numerics_many_significant_digits",
    "server_defaults",
    "expression_server_defaults",
    "infinity_floats",
    "float_or_double_precision_behaves_generically",
    "update_from",
    "delete_from",
    "mod_operator_as_percent_sign",
    "percent_schema_names",
    "order_by_label_with_expression",
    "supports_is_distinct_from",
    "regexp_match",
    "regexp_replace",
    "fetch_first",
    "fetch_no_order_by",
    "fetch_expression",
    "aggregate_order_by",
    "supports_bitwise_or",
    "supports_bitwise_and",
    "supports_bitwise_not",
    "supports_bitwise_shift",
)


class Requirements(SuiteRequirements):
    """The rows of `CLOSED` and `OPEN`, and what the suite's own word is for the rest."""

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """Returns the one level there is."""
        del config
        return {"default": "AUTOCOMMIT", "supported": ["AUTOCOMMIT"]}


def _rule(name: str) -> property:
    def rule(self: Any) -> Any:
        del self
        if name not in CLOSED:
            return exclusions.open()  # type: ignore[no-untyped-call]
        return exclusions.skip_if(lambda: True, CLOSED[name])  # type: ignore[no-untyped-call]

    return property(rule)


for _name in (*CLOSED, *OPEN):
    setattr(Requirements, _name, _rule(_name))
