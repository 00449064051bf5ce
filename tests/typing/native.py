"""What native code is promised, and what our classes and the tests' fakes are: type checkers hold them together."""

from __future__ import annotations

from e6data_adbc import _driver, errors
from e6data_adbc._driver import abc
from e6data_adbc._driver.binding import arrived_data
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.database import Database
from e6data_adbc._driver.partitions.shared_query import AgreedQuery, ForeignQuery, UnreadQuery
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.results.change_result import ChangeResult
from e6data_adbc._driver.results.local_result import LocalResult
from e6data_adbc._driver.results.repeated_query import RepeatedQuery
from e6data_adbc._driver.results.rerun_query import RerunQuery
from e6data_adbc._driver.statement import Statement
from e6data_adbc._options.option_values import StreamOptions
from tests.driver import fakes

driver: abc.DriverModule = _driver
making_errors: abc.ErrorsModule = errors
arrived: abc.ArrivedDataModule = arrived_data

databases: list[type[abc.Database]] = [Database, fakes.Database]
connections: list[type[abc.Connection]] = [Connection, fakes.Connection]
statements: list[type[abc.Statement]] = [Statement, fakes.Statement]
limits: list[type[abc.StreamLimits]] = [StreamOptions, fakes.StreamOptions]
failures: list[type[abc.Failure]] = [errors.Error]
sources: list[type[abc.ResultSource]] = [
    Query,
    UnreadQuery,
    AgreedQuery,
    ForeignQuery,
    RerunQuery,
    RepeatedQuery,
    ChangeResult,
    LocalResult,
    fakes.Query,
]
with_method: list[type[abc.KnowsItsMethod]] = [Query, RerunQuery, RepeatedQuery, ChangeResult]
with_course: list[type[abc.KnowsItsCourse]] = [Query, RerunQuery]
with_whole: list[type[abc.KnowsItsWhole]] = [Query, LocalResult]
with_changes: list[type[abc.KnowsWhatChanged]] = [ChangeResult]
