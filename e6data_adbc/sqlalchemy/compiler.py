"""SQL as e6data has it: statements, table definitions, types and names."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import compiler, elements, operators

__all__ = ["DDLCompiler", "IdentifierPreparer", "SQLCompiler", "TypeCompiler", "split_schema"]

#: Words that are quoted where they are names, beside those that SQLAlchemy knows; a quote too many does no harm.
_RESERVED: Final = frozenset(
    """
    add alter any array at begin between bigint boolean by cascade catalog char column commit
    cube current database date decimal default delete describe double drop escape exists
    explain extract fetch filter first float full function glob grouping groups hour if ilike
    index inner insert int integer interval json last lateral left like limit map merge minute
    month natural no nulls offset only outer over partition percent pivot position preceding
    qualify range recursive replace revoke right rollup row rows sample schema schemas second
    sets show smallint string struct substring table tables tablesample time timestamp tinyint
    top trim truncate try_cast unbounded unnest unpivot update use values varbinary varchar
    view week within year
    """.split()  # noqa: SIM905 - a list of words would be a page
)


def split_schema(schema: str) -> tuple[str | None, str]:
    """Returns catalog and schema of a name like `catalog.schema`; a `quoted_name` with quotes is one name."""
    if getattr(schema, "quote", None):
        return None, schema
    catalog, dot, name = schema.partition(".")
    return (catalog, name) if dot and catalog and name else (None, schema)


class IdentifierPreparer(compiler.IdentifierPreparer):
    """Names in double quotes, where they need them."""

    reserved_words = compiler.RESERVED_WORDS | _RESERVED

    def quote_schema(self, schema: Any, force: Any = None) -> str:
        """Returns a schema as SQL, where `catalog.schema` is two names."""
        del force
        catalog, name = split_schema(schema)
        quoted = str(self.quote(name))
        return quoted if catalog is None else f"{self.quote(catalog)}.{quoted}"


class SQLCompiler(compiler.SQLCompiler):
    """Queries and changes."""

    def visit_mod_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes `%` as MOD, which no parameter style can take for a place."""
        del operator
        return f"MOD({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_truediv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Divides exactly, whether or not an engine's `/` of whole numbers cuts."""
        del operator
        left = self.process(binary.left, **kw)
        right = self.process(binary.right, **kw)
        if binary.right.type._type_affinity is sqltypes.Integer:
            right = f"CAST({right} AS DOUBLE)"
        return f"{left} / {right}"

    def visit_floordiv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Divides and rounds down, as Python does."""
        quotient = self.visit_truediv_binary(binary, operator, **kw)
        if binary.type._type_affinity is sqltypes.Integer:
            return f"CAST(FLOOR({quotient}) AS BIGINT)"
        return f"FLOOR({quotient})"

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes REGEXP_LIKE; flags go into the pattern."""
        del operator
        return f"REGEXP_LIKE({self.process(binary.left, **kw)}, {self._pattern(binary, **kw)})"

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes NOT REGEXP_LIKE."""
        return f"NOT {self.visit_regexp_match_op_binary(binary, operator, **kw)}"

    def visit_regexp_replace_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes REGEXP_REPLACE, which replaces each match."""
        del operator
        pattern, replacement = self._replacement(binary, **kw)
        return f"REGEXP_REPLACE({self.process(binary.left, **kw)}, {pattern}, {replacement})"

    def _pattern(self, binary: Any, **kw: Any) -> str:
        pattern = self.process(binary.right, **kw)
        flags = _flags(binary)
        return f"CONCAT('(?{flags})', {pattern})" if flags else pattern

    def _replacement(self, binary: Any, **kw: Any) -> tuple[str, str]:
        pattern, replacement = (self.process(part, **kw) for part in binary.right.clauses)
        flags = _flags(binary)
        return f"CONCAT('(?{flags})', {pattern})" if flags else pattern, replacement

    def visit_empty_set_expr(self, element_types: Any, **kw: Any) -> str:
        """Writes a query of the right columns and no rows."""
        del kw
        columns = ", ".join(
            f"CAST(NULL AS {self._type_name(kind)})"
            for kind in element_types or [sqltypes.Integer()]
        )
        return f"SELECT {columns} WHERE 1 != 1"

    def _type_name(self, kind: Any) -> str:
        if isinstance(kind, sqltypes.NullType):
            kind = sqltypes.Integer()
        return str(_type_compiler(self.dialect).process(kind))

    def limit_clause(self, select: Any, **kw: Any) -> str:
        """Writes LIMIT and OFFSET."""
        text = ""
        if select._limit_clause is not None:
            text += "\n LIMIT " + self.process(select._limit_clause, **kw)
        if select._offset_clause is not None:
            text += "\n OFFSET " + self.process(select._offset_clause, **kw)
        return text

    def fetch_clause(self, select: Any, *_: Any, **kw: Any) -> str:
        """Writes FETCH FIRST as LIMIT, which is the same without TIES and PERCENT."""
        options = select._fetch_clause_options
        if options["percent"] or options["with_ties"]:
            raise CompileError(
                "e6data has no FETCH … PERCENT and no FETCH … WITH TIES; use a window function"
            )
        text = "\n LIMIT " + self.process(select._fetch_clause, **kw)
        if select._offset_clause is not None:
            text += "\n OFFSET " + self.process(select._offset_clause, **kw)
        return text

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        """Writes nothing: the engine has no locks, and no transactions that could hold them."""
        del select, kw
        return ""

    def update_from_clause(
        self, update_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any
    ) -> str:
        """Writes UPDATE … FROM."""
        del update_stmt, from_table
        kw.update(asfrom=True, fromhints=from_hints)
        return "FROM " + ", ".join(one._compiler_dispatch(self, **kw) for one in extra_froms)

    def delete_extra_from_clause(
        self, delete_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any
    ) -> str:
        """Writes DELETE … USING."""
        del delete_stmt, from_table
        kw.update(asfrom=True, fromhints=from_hints)
        return "USING " + ", ".join(one._compiler_dispatch(self, **kw) for one in extra_froms)

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes JSON_EXTRACT with the path to an element."""
        del operator
        return self._json(binary, **kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes JSON_EXTRACT with a path."""
        del operator
        return self._json(binary, **kw)

    def _json(self, binary: Any, **kw: Any) -> str:
        value, steps = _ungrouped(binary), list[str]()
        while getattr(value, "operator", None) in _JSON_STEPS:
            steps.insert(0, self._json_steps(value.right, **kw))
            value = _ungrouped(value.left)
        # One path for all: between two calls a text would look like the JSON value that it may contain.
        extracted = f"JSON_EXTRACT({self.process(value, **kw)}, '${''.join(steps)}')"
        affinity = binary.type._type_affinity
        if affinity is sqltypes.JSON:
            raise CompileError(
                "e6data's JSON_EXTRACT gives text without quotes, from which a JSON value cannot be told;"
                " say what it is: .as_string(), .as_integer(), .as_float(), .as_numeric() or .as_boolean()"
            )
        if affinity is sqltypes.String:
            return extracted
        kind = sqltypes.BigInteger() if affinity is sqltypes.Integer else binary.type
        return f"CAST({extracted} AS {self._type_name(kind)})"

    def _json_steps(self, key: Any, **kw: Any) -> str:
        if not isinstance(key, elements.BindParameter):
            raise CompileError(
                "e6data's JSON paths are constants; give the key as a text or number"
            )
        return str(self.process(key, **{**kw, "literal_execute": True}))

    def visit_eq_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes `value = ANY (array)` as ARRAY_CONTAINS."""
        del operator
        right = binary.right
        if getattr(right, "operator", None) is operators.any_op and _is_array(right.element):
            array, value = _ungrouped(right.element), binary.left
            return f"ARRAY_CONTAINS({self.process(array, **kw)}, {self.process(value, **kw)})"
        return str(self._generate_generic_binary(binary, compiler.OPERATORS[operators.eq], **kw))

    def visit_any_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        """Writes ANY of a query; refuses that of an array."""
        del operator
        return self._quantified("ANY", element, **kw)

    def visit_all_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        """Writes ALL of a query; refuses that of an array."""
        del operator
        return self._quantified("ALL", element, **kw)

    def _quantified(self, word: str, element: Any, **kw: Any) -> str:
        if _is_array(element.element):
            raise CompileError(
                f"e6data compares no value with {word} of an array, but for `value == any_(array)`; use UNNEST"
            )
        return f"{word} {self.process(element.element, **kw)}"

    def visit_getitem_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Writes an element of an array, which count from one."""
        del operator
        if isinstance(binary.right, elements.Slice):
            raise CompileError(
                "e6data has no slices of arrays; use func.array_slice or func.filter_array"
            )
        return f"ELEMENT_AT({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"


#: An element of a JSON value by its key, or by several.
_JSON_STEPS: Final = frozenset({operators.json_getitem_op, operators.json_path_getitem_op})


def _ungrouped(element: Any) -> Any:
    while isinstance(element, elements.Grouping):
        element = element.element
    return element


def _is_array(element: Any) -> bool:
    return isinstance(_ungrouped(element).type, sqltypes.ARRAY)


def _type_compiler(dialect: Any) -> Any:
    return getattr(dialect, "type_compiler_instance", None) or dialect.type_compiler


def _flags(binary: Any) -> str:
    flags = binary.modifiers.get("flags")
    if flags is None:
        return ""
    text = flags if isinstance(flags, str) else getattr(flags, "value", None)
    if not isinstance(text, str) or not set(text) <= set("imsx"):
        raise CompileError(
            "flags of a regular expression are a text of 'i', 'm', 's' and 'x' on e6data"
        )
    return text


class DDLCompiler(compiler.DDLCompiler):
    """Definitions of tables, schemas and views."""

    def visit_identity_column(self, identity: Any, **kw: Any) -> str:
        """Refuses."""
        del identity, kw
        raise CompileError("e6data has no identity columns; give the values of the key")

    def visit_computed_column(self, generated: Any, **kw: Any) -> str:
        """Refuses."""
        del generated, kw
        raise CompileError("e6data has no computed columns; use a view")


class TypeCompiler(compiler.GenericTypeCompiler):
    """Types in definitions and casts."""

    def visit_float(self, type_: Any, **kw: Any) -> str:
        """Writes DOUBLE, what Python's float is, unless FLOAT's digits are enough."""
        del kw
        return "FLOAT" if type_.precision is not None and type_.precision <= 24 else "DOUBLE"

    def visit_FLOAT(self, type_: Any, **kw: Any) -> str:  # noqa: N802 - SQLAlchemy's name, like those below
        """Writes FLOAT of 32 bits, or DOUBLE for more than 24 binary digits."""
        del kw
        return "DOUBLE" if type_.precision is not None and type_.precision > 24 else "FLOAT"

    def visit_REAL(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes FLOAT."""
        del type_, kw
        return "FLOAT"

    def visit_double(self, type_: Any, **kw: Any) -> str:
        """Writes DOUBLE."""
        del type_, kw
        return "DOUBLE"

    visit_DOUBLE = visit_double  # noqa: N815
    visit_DOUBLE_PRECISION = visit_double  # noqa: N815

    def visit_INTEGER(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes INT."""
        del type_, kw
        return "INT"

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes DECIMAL with all digits; without numbers 28 before the point and 10 behind."""
        del kw
        if type_.precision is None:
            return f"DECIMAL(38, {10 if type_.scale is None else type_.scale})"
        return f"DECIMAL({type_.precision}, {type_.scale or 0})"

    visit_DECIMAL = visit_NUMERIC  # noqa: N815

    def visit_VARCHAR(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes VARCHAR, with a length where there is one."""
        del kw
        return f"VARCHAR({type_.length})" if type_.length else "VARCHAR"

    visit_NVARCHAR = visit_VARCHAR  # noqa: N815
    visit_string = visit_VARCHAR
    visit_unicode = visit_VARCHAR

    def visit_NCHAR(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes CHAR."""
        return str(self.visit_CHAR(type_, **kw))

    def visit_TEXT(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes VARCHAR without a length."""
        del type_, kw
        return "VARCHAR"

    visit_CLOB = visit_TEXT  # noqa: N815
    visit_NCLOB = visit_TEXT  # noqa: N815
    visit_text = visit_TEXT
    visit_unicode_text = visit_TEXT
    visit_JSON = visit_TEXT  # noqa: N815

    def visit_BLOB(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes VARBINARY."""
        del type_, kw
        return "VARBINARY"

    visit_BINARY = visit_BLOB  # noqa: N815
    visit_VARBINARY = visit_BLOB  # noqa: N815
    visit_large_binary = visit_BLOB

    def visit_TIMESTAMP(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes TIMESTAMP, or TIMESTAMP_TZ for an instant."""
        del kw
        return "TIMESTAMP_TZ" if type_.timezone else "TIMESTAMP"

    visit_DATETIME = visit_TIMESTAMP  # noqa: N815
    visit_datetime = visit_TIMESTAMP

    def visit_TIME(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Refuses."""
        del type_, kw
        raise CompileError("e6data has no type for times of the day; use String or Interval")

    def visit_INTERVAL(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes an interval of days and seconds."""
        del type_, kw
        return "INTERVAL DAY TO SECOND"

    visit_interval = visit_INTERVAL

    def visit_ARRAY(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes the type of the elements and ARRAY."""
        inner = self.process(type_.item_type, **kw)
        return f"{inner}{' ARRAY' * (type_.dimensions or 1)}"

    def visit_BOOLEAN(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Writes BOOLEAN."""
        del type_, kw
        return "BOOLEAN"
