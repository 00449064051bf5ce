"""Options of all three levels: types, order, unsetting, reading back."""

import adbc_driver_manager
import pytest

from e6data_adbc import _native


@pytest.fixture(params=["database", "connection", "statement"])
def level(request, fake_connection, fake_cursor):
    """The same option functions at each level, with the fake that they reach."""
    return {
        "database": fake_connection.adbc_database,
        "connection": fake_connection.adbc_connection,
        "statement": fake_cursor.adbc_statement,
    }[request.param]


def test_values_reach_init_in_their_types(backend, connect_fake):
    """`open_database` and `connect` get text as str, bytes as bytes, numbers as numbers."""
    values = {"text": "ä", "bytes": b"\x00\xff", "int": -7, "double": 0.5, "empty": ""}
    connect_fake(db_kwargs=values, conn_kwargs=values)

    assert backend.databases[-1].values == values
    assert {key: backend.connection.values[key] for key in values} == values


@pytest.mark.parametrize("value", [True, False])
def test_a_bool_that_arrives_as_text_and_as_bytes_is_text(backend, connect_fake, value):
    """A bool in `conn_kwargs` is sent twice by the manager; it counts once, as text."""
    connect_fake(db_kwargs={"flag": value}, conn_kwargs={"flag": value})

    assert backend.databases[-1].values == {"flag": str(value).lower()}
    assert backend.connection.values["flag"] == str(value).lower()


@pytest.mark.parametrize("value", ["x", "", b"\x00y", 2**62, -1.5])
def test_an_option_reads_back_as_it_was_set(level, value):
    """After Init, an option keeps value and type."""
    level.set_options(key=value)

    read = {
        str: level.get_option,
        bytes: level.get_option_bytes,
        int: level.get_option_int,
        float: level.get_option_float,
    }
    assert read[type(value)]("key") == value


@pytest.mark.parametrize(
    ("value", "text", "integer", "double"),
    [
        ("30", "30", 30, 30.0),
        (" 30 ", " 30 ", 30, 30.0),
        (30, "30", 30, 30.0),
        (30.0, "30.0", 30, 30.0),
        (b"30", "30", 30, 30.0),
        ("true", "true", 1, None),
        ("false", "false", 0, None),
        (0.5, "0.5", None, 0.5),
        (1e300, "1e300", None, 1e300),
        ("x", "x", None, None),
        (2**63 - 1, str(2**63 - 1), 2**63 - 1, 2.0**63),
        (float(2**63), "9.223372036854776e18", None, 2.0**63),
        (b"\xff", None, None, None),
    ],
)
def test_an_option_is_converted_if_nothing_is_lost(level, value, text, integer, double):
    """A value reads in every type that can state it; otherwise INVALID_ARGUMENT, without it."""
    level.set_options(key=value)

    for read, expected in [
        (level.get_option, text),
        (level.get_option_int, integer),
        (level.get_option_float, double),
    ]:
        if expected is None:
            with pytest.raises(
                adbc_driver_manager.ProgrammingError, match=r"'key'.*INVALID_ARG"
            ) as e:
                read("key")
            assert repr(value) not in str(e.value)
        else:
            assert read("key") == expected


@pytest.mark.parametrize("size", [0, 1022, 1023, 1024, 5000, 1 << 20])
def test_an_option_may_be_longer_than_the_first_buffer(level, size):
    """The length protocol holds at every size, and counts the NUL of text only."""
    level.set_options(key="x" * size, raw=b"y" * size)

    assert level.get_option("key") == "x" * size
    assert level.get_option_bytes("raw") == b"y" * size


def test_none_unsets(backend, fake_connection, fake_cursor):
    """A NULL value reaches Python as None, and an unset option reads as NOT_FOUND."""
    statement = fake_cursor.adbc_statement
    statement.set_options(key="value")
    statement.set_options(key=None)

    assert backend.statement.history == [("key", "value"), ("key", None)]
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"'key'.*NOT_FOUND"):
        statement.get_option("key")


def test_unknown_keys_are_named(level):
    """Setting an unknown key is NOT_IMPLEMENTED, reading one NOT_FOUND; both name it."""
    with pytest.raises(adbc_driver_manager.NotSupportedError, match=r"unknown\.key"):
        level.set_options(**{"unknown.key": "1"})
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"other\.key.*NOT_FOUND"):
        level.get_option("other.key")


def test_a_python_bool_reads_as_text(backend, fake_cursor):
    """What Python answers as a bool is `true` or `false` for ADBC, and 1 or 0 as a number."""
    backend.statement.values["flag"] = True

    assert fake_cursor.adbc_statement.get_option("flag") == "true"
    assert fake_cursor.adbc_statement.get_option_int("flag") == 1


def test_an_unreadable_value_is_an_internal_error(backend, fake_cursor):
    """What is no option value at all is named by its type."""
    backend.statement.values["odd"] = object()

    with pytest.raises(adbc_driver_manager.InternalError, match=r"TypeError.*object"):
        fake_cursor.adbc_statement.get_option("odd")


def test_text_that_is_not_utf8_is_refused(fake_cursor):
    """A key that is not UTF-8 is INVALID_ARGUMENT."""
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="option key is not UTF-8"):
        fake_cursor.adbc_statement.get_option(b"\xff")


def test_this_is_a_release_build():
    """The constant that Python warns by exists."""
    assert isinstance(_native.DEBUG_BUILD, bool)
