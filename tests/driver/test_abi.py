"""The C ABI by itself: the function table in both sizes, and calls no manager would make."""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_void_p

import pytest

from e6data_adbc import _native
from tests.driver.fakes import Query, batch

V1_0, V1_1 = 1_000_000, 1_001_000
NAMES_1_0 = [
    "DatabaseInit",
    "DatabaseNew",
    "DatabaseSetOption",
    "DatabaseRelease",
    "ConnectionCommit",
    "ConnectionGetInfo",
    "ConnectionGetObjects",
    "ConnectionGetTableSchema",
    "ConnectionGetTableTypes",
    "ConnectionInit",
    "ConnectionNew",
    "ConnectionSetOption",
    "ConnectionReadPartition",
    "ConnectionRelease",
    "ConnectionRollback",
    "StatementBind",
    "StatementBindStream",
    "StatementExecuteQuery",
    "StatementExecutePartitions",
    "StatementGetParameterSchema",
    "StatementNew",
    "StatementPrepare",
    "StatementRelease",
    "StatementSetOption",
    "StatementSetSqlQuery",
    "StatementSetSubstraitPlan",
]
NAMES_1_1 = [
    "ErrorGetDetailCount",
    "ErrorGetDetail",
    "ErrorFromArrayStream",
    "DatabaseGetOption",
    "DatabaseGetOptionBytes",
    "DatabaseGetOptionDouble",
    "DatabaseGetOptionInt",
    "DatabaseSetOptionBytes",
    "DatabaseSetOptionDouble",
    "DatabaseSetOptionInt",
    "ConnectionCancel",
    "ConnectionGetOption",
    "ConnectionGetOptionBytes",
    "ConnectionGetOptionDouble",
    "ConnectionGetOptionInt",
    "ConnectionGetStatistics",
    "ConnectionGetStatisticNames",
    "ConnectionSetOptionBytes",
    "ConnectionSetOptionDouble",
    "ConnectionSetOptionInt",
    "StatementCancel",
    "StatementExecuteSchema",
    "StatementGetOption",
    "StatementGetOptionBytes",
    "StatementGetOptionDouble",
    "StatementGetOptionInt",
    "StatementSetOptionBytes",
    "StatementSetOptionDouble",
    "StatementSetOptionInt",
]
OK, NOT_IMPLEMENTED, NOT_FOUND, INVALID_ARGUMENT, INVALID_STATE = 0, 2, 3, 5, 6
PRIVATE_DATA = -(2**31)
GUARD = 0xA5


class Error10(ctypes.Structure):
    """An `AdbcError` as a 1.0 client has it."""

    _fields_ = [
        ("message", c_char_p),
        ("vendor_code", c_int32),
        ("sqlstate", ctypes.c_char * 5),
        ("release", c_void_p),
    ]


class Error11(ctypes.Structure):
    """An `AdbcError` as a 1.1 client has it."""

    _fields_ = [*Error10._fields_, ("private_data", c_void_p), ("private_driver", c_void_p)]


class Object(ctypes.Structure):
    """A database, connection or statement."""

    _fields_ = [("private_data", c_void_p), ("private_driver", c_void_p)]


class Stream(ctypes.Structure):
    """An `ArrowArrayStream`."""

    _fields_ = [
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


def load(version, error=None, entrypoint="AdbcDriverInit"):
    """Returns status, the table as a dict of addresses, and the bytes after it."""
    count = 3 + len(NAMES_1_0) + (len(NAMES_1_1) if version == V1_1 else 0)
    size = count * ctypes.sizeof(c_void_p)
    buffer = (ctypes.c_ubyte * (size + 512))(*([GUARD] * (size + 512)))
    init = getattr(ctypes.CDLL(_native.__file__), entrypoint)
    status = init(c_int(version), buffer, error)
    words = (c_void_p * count).from_buffer(buffer)
    names = ["private_data", "private_manager", "release", *NAMES_1_0, *NAMES_1_1]
    return status, dict(zip(names, words, strict=False)), bytes(buffer[size:])


def function(table, name, *types):
    """Returns the function of that name, with the interpreter let go during the call."""
    return ctypes.CFUNCTYPE(ctypes.c_uint8, *types)(table[name])


@pytest.mark.parametrize("entrypoint", ["AdbcDriverInit", "AdbcDriverE6dataInit"])
@pytest.mark.parametrize("version", [V1_0, V1_1])
def test_the_table_is_complete_and_fits(version, entrypoint):
    """Every function of the version is there, and not a byte beyond its struct is written."""
    status, table, beyond = load(version, entrypoint=entrypoint)

    assert status == OK
    assert all(table[name] for name in table if not name.startswith("private"))
    assert set(beyond) == {GUARD}


@pytest.mark.parametrize("version", [0, 999_999, 1_000_001, 1_002_000, -1, 2_000_000])
def test_other_versions_are_not_implemented(version):
    """The error names what was asked, and nothing is written to the table."""
    error = Error11(vendor_code=PRIVATE_DATA)
    status, table, _ = load(version, byref(error))

    assert status == NOT_IMPLEMENTED
    assert str(version).encode() in error.message
    assert set(table.values()) == {int.from_bytes([GUARD] * 8, "little")}
    release(error)


def release(error):
    """Releases an error as its owner does, and checks that nothing is left."""
    ctypes.CFUNCTYPE(None, c_void_p)(error.release)(ctypes.addressof(error))
    assert error.message is None
    assert error.release is None


def test_a_null_table_is_refused():
    """A NULL driver is an error, with or without a place to say so."""
    init = ctypes.CDLL(_native.__file__).AdbcDriverInit

    assert init(c_int(V1_1), None, None) == INVALID_ARGUMENT


@pytest.mark.parametrize("vendor_code", [0, 77])
def test_a_small_error_is_never_overrun(backend, vendor_code):
    """The error of a 1.0 client is filled within its size, whatever details there are."""
    backend.databases.clear()
    _, table, _ = load(V1_0)
    database = Object()
    assert function(table, "DatabaseNew", c_void_p, c_void_p)(addressof(database), None) == OK
    set_option = function(table, "DatabaseSetOption", c_void_p, c_char_p, c_char_p, c_void_p)
    assert set_option(addressof(database), b"fail_init", b"1", None) == OK

    raw = (ctypes.c_ubyte * 128)(*([GUARD] * 128))
    error = Error10.from_buffer(raw)
    ctypes.memset(raw, 0, ctypes.sizeof(Error10))
    error.vendor_code = vendor_code
    status = function(table, "DatabaseInit", c_void_p, c_void_p)(
        addressof(database), addressof(error)
    )

    assert status == INVALID_ARGUMENT
    assert b"told so" in error.message
    assert error.vendor_code == 0
    assert set(raw[ctypes.sizeof(Error10) :]) == {GUARD}
    assert database.private_data is None
    release(error)
    assert set(raw[ctypes.sizeof(Error10) :]) == {GUARD}


addressof = ctypes.addressof


def test_a_1_0_client_can_run_a_query(backend):
    """New, Init, execute, read and release through the 1.0 table alone."""
    backend.queries["q"] = Query([batch(3)])
    _, table, _ = load(V1_0)
    database, connection, statement, stream = Object(), Object(), Object(), Stream()
    error = Error10()
    call(table, "DatabaseNew", database, error=error)
    call(table, "DatabaseInit", database, error=error)
    call(table, "ConnectionNew", connection, error=error)
    call(table, "ConnectionInit", connection, database, error=error)
    call(table, "StatementNew", connection, statement, error=error)
    set_query = function(table, "StatementSetSqlQuery", c_void_p, c_char_p, c_void_p)
    assert set_query(addressof(statement), b"q", addressof(error)) == OK
    rows = c_int64(5)
    call(table, "StatementExecuteQuery", statement, stream, rows, error=error)
    array = (c_int64 * 10)()
    status = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)(stream.get_next)(
        addressof(stream), addressof(array)
    )

    assert (status, array[0], rows.value) == (0, 3, -1)
    ctypes.CFUNCTYPE(None, c_void_p)(array[8])(addressof(array))
    ctypes.CFUNCTYPE(None, c_void_p)(stream.release)(addressof(stream))
    assert stream.release is None
    for name, one in [("Statement", statement), ("Connection", connection), ("Database", database)]:
        for _ in range(2):
            call(table, f"{name}Release", one, error=error)
    assert backend.databases[-1].closes == 1


def call(table, name, *objects, error=None, status=OK):
    """Calls a function that takes structs only."""
    arguments = [addressof(one) if one is not None else None for one in (*objects, error)]
    got = function(table, name, *([c_void_p] * len(arguments)))(*arguments)
    assert got == status, (name, error and error.message)


@pytest.mark.parametrize("kind", ["Database", "Connection", "Statement"])
def test_what_was_not_made_cannot_be_used(kind):
    """Every function of an object that is not there is INVALID_STATE, of NULL INVALID_ARGUMENT."""
    _, table, _ = load(V1_1)
    key, buffer, length = c_char_p(b"k"), ctypes.create_string_buffer(8), c_size_t(8)
    number, double = c_int64(), c_double()
    pointer = c_void_p
    calls = {
        f"{kind}SetOption": (c_char_p, c_char_p, b"k", b"v"),
        f"{kind}SetOptionBytes": (c_char_p, c_char_p, c_size_t, b"k", b"v", 1),
        f"{kind}SetOptionInt": (c_char_p, c_int64, b"k", 1),
        f"{kind}SetOptionDouble": (c_char_p, c_double, b"k", 1.0),
        f"{kind}GetOption": (c_char_p, pointer, POINTER(c_size_t), b"k", buffer, byref(length)),
        f"{kind}GetOptionBytes": (
            c_char_p,
            pointer,
            POINTER(c_size_t),
            b"k",
            buffer,
            byref(length),
        ),
        f"{kind}GetOptionInt": (c_char_p, POINTER(c_int64), b"k", byref(number)),
        f"{kind}GetOptionDouble": (c_char_p, POINTER(c_double), b"k", byref(double)),
    }
    for name, spec in calls.items():
        types, values = spec[: len(spec) // 2], spec[len(spec) // 2 :]
        target = function(table, name, c_void_p, *types, c_void_p)
        for one, expected in [(Object(), INVALID_STATE), (None, INVALID_ARGUMENT)]:
            error = Error11(vendor_code=PRIVATE_DATA)
            got = target(one and addressof(one), *values, addressof(error))
            assert got == expected, name
            assert kind.lower().encode() in error.message
            release(error)
    assert key.value == b"k"


def test_every_function_survives_nothing_but_null():
    """All functions with all arguments NULL answer with a status, and release with OK or a status."""
    _, table, _ = load(V1_1)
    for name in NAMES_1_0 + NAMES_1_1:
        if name.startswith("Error"):
            continue
        status = function(table, name, *([c_void_p] * 9))(*([None] * 9))
        assert status in {INVALID_ARGUMENT, INVALID_STATE}, name


def test_every_function_survives_an_object_that_was_not_made():
    """All functions on zeroed structs answer with a status; releasing nothing is fine."""
    _, table, _ = load(V1_1)
    for name in NAMES_1_0 + NAMES_1_1:
        if name.startswith("Error"):
            continue
        one = Object()
        arguments = [addressof(one)] + [None] * 8
        status = function(table, name, *([c_void_p] * 9))(*arguments)
        is_fine = name in {"DatabaseNew", "ConnectionNew"} or name.endswith("Release")
        assert status in ({OK} if is_fine else {INVALID_ARGUMENT, INVALID_STATE}), name
        if one.private_data:
            assert (
                function(table, name.replace("New", "Release"), c_void_p, c_void_p)(
                    addressof(one), None
                )
                == OK
            )


def test_the_length_protocol_to_the_byte(backend):
    """The value is written if it fits with its NUL, the length is told in any case."""
    _, table, _ = load(V1_1)
    database = Object()
    call(table, "DatabaseNew", database, error=None)
    set_option = function(table, "DatabaseSetOption", c_void_p, c_char_p, c_char_p, c_void_p)
    assert set_option(addressof(database), b"k", b"12345", None) == OK
    get_option = function(
        table, "DatabaseGetOption", c_void_p, c_char_p, c_void_p, POINTER(c_size_t), c_void_p
    )
    for room, written in [(0, b""), (5, b""), (6, b"12345\0"), (7, b"12345\0")]:
        buffer = (ctypes.c_ubyte * 8)(*([GUARD] * 8))
        length = c_size_t(room)
        assert get_option(addressof(database), b"k", buffer, byref(length), None) == OK
        assert length.value == 6
        assert bytes(buffer) == written + bytes([GUARD] * (8 - len(written)))
    length = c_size_t(0)
    assert get_option(addressof(database), b"k", None, byref(length), None) == OK
    assert length.value == 6
    assert get_option(addressof(database), b"k", None, None, None) == INVALID_ARGUMENT
    assert set_option(addressof(database), b"k", None, None) == OK
    assert get_option(addressof(database), b"k", None, byref(length), None) == NOT_FOUND
    call(table, "DatabaseRelease", database, error=None)


def test_making_twice_and_initialising_twice_is_refused(backend):
    """A struct that holds an object is not overwritten."""
    _, table, _ = load(V1_1)
    database, error = Object(), Error11(vendor_code=PRIVATE_DATA)
    call(table, "DatabaseNew", database, error=error)
    call(table, "DatabaseNew", database, error=error, status=INVALID_STATE)
    call(table, "DatabaseInit", database, error=error)
    call(table, "DatabaseInit", database, error=error, status=INVALID_STATE)
    call(table, "DatabaseRelease", database, error=error)

    assert len(backend.databases) == 1
    release(error)


def test_a_connection_needs_an_initialised_database(backend):
    """Connecting to a database before its Init is INVALID_STATE."""
    _, table, _ = load(V1_1)
    database, connection = Object(), Object()
    call(table, "DatabaseNew", database, error=None)
    call(table, "ConnectionNew", connection, error=None)
    call(table, "ConnectionInit", connection, database, error=None, status=INVALID_STATE)
    call(table, "StatementNew", connection, Object(), error=None, status=INVALID_STATE)
    call(table, "ConnectionRelease", connection, error=None)
    call(table, "DatabaseRelease", database, error=None)


def test_a_released_error_can_be_filled_again(backend):
    """After release the struct still has its 1.1 size, also if a vendor code stood in it."""
    _, table, _ = load(V1_1)
    error = Error11(vendor_code=PRIVATE_DATA)
    for _ in range(3):
        call(table, "DatabaseInit", Object(), error=error, status=INVALID_STATE)
        assert error.vendor_code == PRIVATE_DATA
        assert error.private_data
        release(error)
        assert error.vendor_code == PRIVATE_DATA
        assert not error.private_data


def test_the_driver_itself_can_be_released():
    """`AdbcDriver.release` succeeds and marks the table."""
    count = 3 + len(NAMES_1_0) + len(NAMES_1_1)
    table = (c_void_p * count)()
    assert ctypes.CDLL(_native.__file__).AdbcDriverInit(c_int(V1_1), table, None) == OK
    released = ctypes.CFUNCTYPE(ctypes.c_uint8, c_void_p, c_void_p)(table[2])

    assert released(addressof(table), None) == OK
    assert table[2] is None


def test_error_from_array_stream_knows_its_own_streams(backend):
    """Of a stream that is not ours, or has no error, it returns NULL."""
    _, table, _ = load(V1_1)
    from_stream = ctypes.CFUNCTYPE(c_void_p, c_void_p, POINTER(ctypes.c_uint8))(
        table["ErrorFromArrayStream"]
    )
    status = ctypes.c_uint8(99)

    assert from_stream(None, byref(status)) is None
    foreign = Stream(release=1, private_data=1)
    assert from_stream(addressof(foreign), byref(status)) is None
    assert status.value == 99
