"""The options: every key with its meaning, unit and default, and the values that some of them take.

An option is looked up in this order: set on the statement, on the connection, on the database; in the URI's query under
its short name (the key's last part); in the environment as `E6DATA_` plus the short name in capitals; the default.
Every value may be a string, an integer or a float, because a profile writes `30` where a URI writes `"30"`.
"""

from __future__ import annotations

import enum
from typing import NoReturn

__all__ = [
    # Keys
    "ConnectionOptions",
    "DatabaseOptions",
    "StatementOptions",
    # Values
    "ClientAuth",
    "OnLoss",
    "OptionValue",
    "ResultProtocol",
    "Secret",
    "Tls",
    "TransportKind",
]

OptionValue = str | bytes | int | float | None


class DatabaseOptions(enum.Enum):
    """Keys that a database takes: `connect(uri, db_kwargs={key: value})`."""

    #: Where to connect: `e6data://[user[:token]@]host[:port][/catalog[/schema]][?name=value&…]`, each part
    #: percent-encoded, or `e6data:local[?name=value&…]` for the local engine in this process.
    URI = "uri"
    #: The user, usually an e-mail address. Overrides the URI's.
    USERNAME = "username"
    #: The user's access token. Overrides the URI's.
    PASSWORD = "password"  # noqa: S105 - the name of a key
    #: A bearer token, sent with every call instead of signing in with user and password. It is never renewed.
    ACCESS_TOKEN = "adbc.e6data.auth.access_token"  # noqa: S105 - the name of a key
    #: The path of a file that holds a bearer token; read again when it has changed or its token is refused.
    TOKEN_FILE = "adbc.e6data.auth.token_file"  # noqa: S105 - the name of a key
    #: Where bearer tokens come from by the OAuth 2.0 client credentials grant: an https address.
    OAUTH_TOKEN_URL = "adbc.e6data.auth.oauth_token_url"  # noqa: S105 - the name of a key
    #: The client that asks the token address.
    OAUTH_CLIENT_ID = "adbc.e6data.auth.oauth_client_id"
    #: The client's secret.
    OAUTH_CLIENT_SECRET = "adbc.e6data.auth.oauth_client_secret"  # noqa: S105 - the name of a key
    #: The scope to ask for. Not sent unless set.
    OAUTH_SCOPE = "adbc.e6data.auth.oauth_scope"
    #: Where client and secret stand in the request: `basic` (its authorization header) or `post` (its form). Default
    #: `basic`.
    OAUTH_CLIENT_AUTH = "adbc.e6data.auth.oauth_client_auth"
    #: The id of a callable that gives bearer tokens. Set by `e6data_adbc.connect(token_provider=…)`.
    TOKEN_PROVIDER = "adbc.e6data.auth.token_provider"  # noqa: S105 - the name of a key
    #: The id of a callable that adds metadata to calls. Set by `e6data_adbc.connect(request_signer=…)`.
    REQUEST_SIGNER = "adbc.e6data.auth.request_signer"
    #: The user on whose behalf queries run, where `username` may impersonate.
    IMPERSONATED_USER = "adbc.e6data.auth.impersonated_user"
    #: The claim of the token that says who the user is, where the server has several.
    IDENTITY_CLAIM = "adbc.e6data.auth.identity_claim"
    #: The cluster's name, sent with every call as `cluster-name`. Needed where several clusters share one host.
    CLUSTER_NAME = "adbc.e6data.connection.cluster_name"
    #: Whether processes of one user tell each other, in a file of the user's, which deployment of the cluster answered
    #: last, so that a new process asks that one first. Default false. Not on Windows.
    SHARE_COLOUR = "adbc.e6data.connection.share_colour"
    #: `auto` (TLS unless the host is this machine), `require` or `disable`. Only `disable` lets a token travel
    #: unencrypted to another machine.
    TLS = "adbc.e6data.tls.tls"
    #: The certificates to trust instead of the built-in ones, for the OAuth token address too: PEM text, or the path
    #: of a PEM file.
    TLS_ROOT_CERTS = "adbc.e6data.tls.tls_root_certs"
    #: The certificates that prove who this client is: PEM text, or the path of a PEM file.
    TLS_CLIENT_CERT = "adbc.e6data.tls.tls_client_cert"
    #: The private key of the client's certificate: PEM text, or the path of a PEM file.
    TLS_CLIENT_KEY = "adbc.e6data.tls.tls_client_key"
    #: The host name to expect in the server's certificate, where it is not the one dialled.
    TLS_SERVER_NAME = "adbc.e6data.tls.tls_server_name"
    #: What carries the calls: `native` (HTTP/2 of our own, without threads) or `grpc` (grpcio). Default `native`.
    TRANSPORT = "adbc.e6data.transport"
    #: Seconds to wait for the connection to stand. Default 10.
    CONNECT_TIMEOUT = "adbc.e6data.rpc.connect_timeout_seconds"
    #: Seconds for signing in. Default 30.
    AUTHENTICATE_TIMEOUT = "adbc.e6data.rpc.authenticate_timeout_seconds"
    #: Seconds for planning a statement, which may queue on the server. Default 600.
    PREPARE_TIMEOUT = "adbc.e6data.rpc.prepare_timeout_seconds"
    #: Seconds for starting a prepared statement. Default 600.
    EXECUTE_TIMEOUT = "adbc.e6data.rpc.execute_timeout_seconds"
    #: Seconds for one response of a result, which waits until the engine has rows. Default 600.
    FETCH_TIMEOUT = "adbc.e6data.rpc.fetch_timeout_seconds"
    #: Seconds for one call about catalogs, schemas, tables, columns or a result's columns. Default 60.
    METADATA_TIMEOUT = "adbc.e6data.rpc.metadata_timeout_seconds"
    #: Seconds for freeing a query on the server. Default 10.
    CLEAR_TIMEOUT = "adbc.e6data.rpc.clear_timeout_seconds"
    #: Seconds for all that one call of yours needs: signing in, waking the cluster, repetitions; executing a statement
    #: up to its schema, for instance, or listing objects. Reading rows is not in it: each wait for some is bounded by
    #: `adbc.e6data.rpc.fetch_timeout_seconds`. Default 1800.
    TOTAL_TIMEOUT = "adbc.e6data.rpc.total_timeout_seconds"
    #: Whether a suspended cluster is resumed by the call that meets it. Default true.
    AUTO_RESUME = "adbc.e6data.cluster.auto_resume"
    #: Seconds to wait until a suspended cluster answers again; they come on top of the call's own. Default 300.
    RESUME_TIMEOUT = "adbc.e6data.cluster.resume_timeout_seconds"
    #: The id of a callable that is told the state of a cluster that a query resumes. Set by
    #: `e6data_adbc.connect(on_progress=…)`.
    ON_PROGRESS = "adbc.e6data.cluster.on_progress"
    #: Seconds that reading `adbc.e6data.connection.health` may take. Default 10.
    HEALTH_TIMEOUT = "adbc.e6data.connection.health_timeout_seconds"
    #: The trace that statements and calls belong to, in the form of the W3C's `traceparent`, sent with every call. By
    #: default the one that OpenTelemetry has for the thread, where it is installed.
    TRACE_PARENT = "adbc.telemetry.trace_parent"
    #: The largest message to accept, in bytes after decompression. Default 256 MiB.
    MAX_MESSAGE_BYTES = "adbc.e6data.rpc.max_message_bytes"
    #: How results travel: `v1` (one chunk a response), `v2` (several), `auto` (v2, and v1 where the server has no v2).
    #: Default `v1`.
    RESULT_PROTOCOL = "adbc.e6data.result.result_protocol"
    #: The Arrow layout of text: `utf8`, `large_utf8` or `string_view`. Default `utf8`.
    TEXT_LAYOUT = "adbc.e6data.result.text_layout"
    #: What a TIMESTAMP_TZ becomes: `instant` (timestamp[us, UTC]) or `struct` (instant and the zone's text). Default
    #: `instant`.
    TIMESTAMP_TZ = "adbc.e6data.result.timestamp_tz"
    #: What an ARRAY, MAP or STRUCT becomes: `text` (the engine's, unchanged), or `arrow`: lists, maps and structs where
    #: the server tells the types inside (`array<bigint>`) and these are numbers, truth values, dates or timestamps. A
    #: value whose text does not agree with them without doubt is an error. Default `text`.
    NESTED = "adbc.e6data.result.nested"
    #: How many digits a DECIMAL has: `max` (38), or `declared`: those of its type where the server tells them. Default
    #: `max`.
    DECIMAL_PRECISION = "adbc.e6data.result.decimal_precision"
    #: What an INTERVAL_DAY_SECOND becomes: `duration` (of microseconds), `int64` (the number of microseconds), or
    #: `text` (`3 04:05:06.000000`: days, hours, minutes, seconds), for what has no type for durations. Default
    #: `duration`.
    INTERVAL = "adbc.e6data.result.interval"
    #: Whether a result may end before the announced number of rows. Default false: such an end is an error.
    ALLOW_MISSING_ROWS = "adbc.e6data.result.allow_missing_rows"
    #: What happens when a result is lost before any of its rows was passed on: `fail`, or `rerun_reads`: a statement
    #: that surely only reads is run anew, at most twice, and up to one batch of it is held back for that. Default
    #: `fail`, under which only what was lost together with the metadata is mended so.
    ON_LOSS = "adbc.e6data.result.on_loss"
    #: The most rows one chunk may have; a constant vector can declare billions in a few bytes. Default 16777216.
    MAX_CHUNK_ROWS = "adbc.e6data.result.max_chunk_rows"
    #: The most bytes one chunk may decode to; a response may decode to as much, or to 1 GiB. Default 1 GiB.
    MAX_CHUNK_BYTES = "adbc.e6data.result.max_chunk_bytes"
    #: Responses fetched ahead of the decoder. Default 2; 0 fetches only on demand.
    PREFETCH_RESPONSES = "adbc.e6data.fetch.prefetch_responses"
    #: Bytes of decoded batches that may wait for the reader. Default 8 MiB, and
    #: `batch_bytes` until somebody reads; one batch may always wait.
    QUEUE_BYTES = "adbc.e6data.fetch.queue_bytes"
    #: Rows up to which small chunks are merged into one batch. Default 65536; 0 delivers each chunk as it came.
    BATCH_ROWS = "adbc.e6data.fetch.batch_rows"
    #: Bytes up to which small chunks are merged into one batch. Default 1 MiB.
    BATCH_BYTES = "adbc.e6data.fetch.batch_bytes"
    #: Whether the server is asked, once a result was read to its end, how it ran the query; see
    #: `adbc.e6data.statement.is_cached` and its neighbours. It costs a call for each query. Default false.
    TIMINGS = "adbc.e6data.statement.timings"
    #: A text that is sent as a comment at the head of each statement, so that it is found again in the server's lists
    #: and logs. What could end the comment or the line becomes blanks. Up to 1024 characters; not sent unless set.
    QUERY_TAG = "adbc.e6data.statement.query_tag"
    #: Whether the server binds the values of parameters, rather than reading them as literals of the text. Needs a
    #: catalog. Default false: which texts a server takes as values is not public; see docs/parameters.md.
    SERVER_BINDING = "adbc.e6data.statement.server_binding"
    #: Rows that one INSERT of a bulk ingestion may have. Default 1000.
    INSERT_ROWS = "adbc.e6data.ingest.insert_rows"
    #: Bytes of text that one INSERT of a bulk ingestion may have; a single row may have more. Default 1 MiB.
    INSERT_BYTES = "adbc.e6data.ingest.insert_bytes"
    #: What the tickets of partitions are signed with: a text of 16 characters or more that those who make and those who
    #: read them share. Default: the password, or the OAuth client's secret. Needed with tokens, which come and go.
    TICKET_KEY = "adbc.e6data.partition.ticket_key"
    #: Seconds until a ticket expires. Default 600 for a result that runs, and 86400 for a query that its reader starts.
    TICKET_LIFETIME = "adbc.e6data.partition.ticket_lifetime_seconds"
    #: The folder that remembers which results were read; processes that share it read each at most once. Default: one
    #: in the user's cache folder, so on this machine only.
    CLAIM_PATH = "adbc.e6data.partition.claim_path"
    #: Whether closing a connection clears the results whose tickets nobody of this machine has read. Default false: a
    #: ticket outlives its connection, and the server drops what is never read.
    CLEAR_UNREAD = "adbc.e6data.partition.clear_unread"
    #: Whether a query that is not split is left for the reader of its ticket to start, rather than started at once.
    #: Default false. For servers on which a result can be read by the session that started it only.
    DEFER_QUERY = "adbc.e6data.partition.defer_query"


class ConnectionOptions(enum.Enum):
    """Keys that a connection takes besides those of results and fetching, which override the database's."""

    #: The catalog in which unqualified names are looked up.
    CURRENT_CATALOG = "adbc.connection.catalog"
    #: The schema in which unqualified names are looked up.
    CURRENT_DB_SCHEMA = "adbc.connection.db_schema"
    #: Always on: the engine has no transactions.
    AUTOCOMMIT = "adbc.connection.autocommit"
    #: The level of isolation: only `adbc.connection.transaction.isolation.default`, what the engine does by itself.
    ISOLATION_LEVEL = "adbc.connection.transaction.isolation_level"
    #: `true` refuses every statement that is not surely a query, before it is sent. Default false. A database takes it
    #: for its connections, too.
    READONLY = "adbc.connection.readonly"
    #: What the connection manager did so far for the endpoint, as JSON; it can only be read. A database has it too.
    STATS = "adbc.e6data.connection.stats"
    #: Reading it checks the session and runs `SELECT 1`; the answer is JSON with `state`, `strategy` and
    #: `latency_seconds`. It resumes nothing. A cluster that does not answer is an error.
    HEALTH = "adbc.e6data.connection.health"
    #: The columns that are read of partitions, as a JSON array of names; default all. Like the condition below it is
    #: for tickets of queries, whose readers run them: the query is wrapped once more, and the ticket stays what it is.
    PARTITION_COLUMNS = "adbc.e6data.partition.columns"
    #: What rows that are read of partitions have to fulfil, as SQL over the columns of the query. Default: nothing.
    PARTITION_WHERE = "adbc.e6data.partition.where"
    #: Overrides the database's value; "" is no trace.
    TRACE_PARENT = DatabaseOptions.TRACE_PARENT.value
    #: Overrides the database's value; "" is no tag.
    QUERY_TAG = DatabaseOptions.QUERY_TAG.value
    #: Overrides the database's value.
    TIMINGS = DatabaseOptions.TIMINGS.value
    #: Overrides the database's value.
    RESULT_PROTOCOL = DatabaseOptions.RESULT_PROTOCOL.value
    #: Overrides the database's value.
    ON_LOSS = DatabaseOptions.ON_LOSS.value
    #: Overrides the database's value.
    SERVER_BINDING = DatabaseOptions.SERVER_BINDING.value
    #: Overrides the database's value.
    TEXT_LAYOUT = DatabaseOptions.TEXT_LAYOUT.value
    #: Overrides the database's value.
    NESTED = DatabaseOptions.NESTED.value
    #: Overrides the database's value.
    DECIMAL_PRECISION = DatabaseOptions.DECIMAL_PRECISION.value
    #: Overrides the database's value.
    INTERVAL = DatabaseOptions.INTERVAL.value
    #: Overrides the database's value.
    PREFETCH_RESPONSES = DatabaseOptions.PREFETCH_RESPONSES.value


class StatementOptions(enum.Enum):
    """Keys that a statement takes besides those of results and fetching, which override the connection's."""

    #: The server's id of the query; readable while it runs and after it failed.
    QUERY_ID = "adbc.e6data.statement.query_id"
    #: The address of the engine that works on the query, as the server gave it; can only be read.
    ENGINE_ADDRESS = "adbc.e6data.statement.engine_address"
    #: Whether the server answered the query from a cache. Like the two below it can only be read, once the result was
    #: read to its end, and only with `adbc.e6data.statement.timings`.
    IS_CACHED = "adbc.e6data.statement.is_cached"
    #: Milliseconds that the server took to read and plan the query.
    PARSING_MILLISECONDS = "adbc.e6data.statement.parsing_milliseconds"
    #: Milliseconds that the query waited on the server before it ran.
    QUEUEING_MILLISECONDS = "adbc.e6data.statement.queueing_milliseconds"
    #: `true` makes execution return the plan of the statement, which is not run. Default false.
    EXPLAIN = "adbc.e6data.statement.explain"
    #: `true` makes execution run the statement and return its plan and its times in place of its rows. Default false.
    EXPLAIN_ANALYZE = "adbc.e6data.statement.explain_analyze"
    #: `true` makes execution return what the server's dry run says about the statement. Default false.
    DRY_RUN = "adbc.e6data.statement.dry_run"
    #: Whether bound columns belong to the named parameters of the same name.
    BIND_BY_NAME = "adbc.statement.bind_by_name"
    #: The table that the bound rows are written to, instead of running a text.
    INGEST_TARGET_TABLE = "adbc.ingest.target_table"
    #: Its catalog. Default: the current one.
    INGEST_TARGET_CATALOG = "adbc.ingest.target_catalog"
    #: Its schema. Default: the current one.
    INGEST_TARGET_DB_SCHEMA = "adbc.ingest.target_db_schema"
    #: `adbc.ingest.mode.create` (the table must not exist), `append` (it must), `create_append` or `replace`. Default
    #: create.
    INGEST_MODE = "adbc.ingest.mode"
    #: Only `false`: the engine has no temporary tables.
    INGEST_TEMPORARY = "adbc.ingest.temporary"
    #: The column of the result by which `ExecutePartitions` splits the query; without it there is one partition.
    PARTITION_ON = "adbc.e6data.partition.on"
    #: The smallest and the largest value to divide between the partitions, as a JSON array: `[0, 1000]`,
    #: `["2026-01-01", "2026-12-31"]`. What lies outside is in the first or the last one; for a `null` the server is
    #: asked. Or `quantiles`: the server is asked where to cut so that the partitions have about as many rows each.
    #: Default: `[null, null]`.
    PARTITION_BOUNDS = "adbc.e6data.partition.bounds"
    #: How many partitions there may be. Default 8.
    PARTITION_COUNT = "adbc.e6data.partition.count"
    #: Only `false`: all partitions are known at once.
    INCREMENTAL = "adbc.statement.exec.incremental"
    #: Rows delivered so far, or written by an ingestion, as a float.
    PROGRESS = "adbc.statement.exec.progress"
    #: Rows announced by the server, as a float; 0 when unknown.
    MAX_PROGRESS = "adbc.statement.exec.max_progress"
    #: Overrides the connection's value; "" is no trace.
    TRACE_PARENT = DatabaseOptions.TRACE_PARENT.value
    #: Overrides the connection's value; "" is no tag.
    QUERY_TAG = DatabaseOptions.QUERY_TAG.value
    #: Overrides the connection's value.
    TIMINGS = DatabaseOptions.TIMINGS.value
    #: Overrides the connection's value.
    RESULT_PROTOCOL = DatabaseOptions.RESULT_PROTOCOL.value
    #: Overrides the connection's value.
    ON_LOSS = DatabaseOptions.ON_LOSS.value
    #: Overrides the connection's value.
    SERVER_BINDING = DatabaseOptions.SERVER_BINDING.value
    #: Overrides the connection's value.
    TEXT_LAYOUT = DatabaseOptions.TEXT_LAYOUT.value
    #: Overrides the connection's value.
    NESTED = DatabaseOptions.NESTED.value
    #: Overrides the connection's value.
    DECIMAL_PRECISION = DatabaseOptions.DECIMAL_PRECISION.value
    #: Overrides the connection's value.
    INTERVAL = DatabaseOptions.INTERVAL.value
    #: Overrides the connection's value.
    PREFETCH_RESPONSES = DatabaseOptions.PREFETCH_RESPONSES.value


class Tls(enum.Enum):
    """When the connection is encrypted."""

    AUTO = "auto"
    REQUIRE = "require"
    DISABLE = "disable"


class TransportKind(enum.Enum):
    """What carries the calls."""

    GRPC = "grpc"
    NATIVE = "native"


class ClientAuth(enum.Enum):
    """How a client proves itself to the OAuth token address."""

    BASIC = "basic"
    POST = "post"


class OnLoss(enum.Enum):
    """What happens when a result is lost before any of its rows was passed on."""

    FAIL = "fail"
    RERUN_READS = "rerun_reads"


class ResultProtocol(enum.Enum):
    """How a result travels."""

    V1 = "v1"
    V2 = "v2"
    AUTO = "auto"


class Secret:
    """A text that no `repr`, log, pickle or `vars()` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the text, for the one call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
