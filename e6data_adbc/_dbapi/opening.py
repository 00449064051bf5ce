"""A database of the driver, opened through the driver manager's low level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e6data_adbc._dbapi.handles import DatabaseHandle
from e6data_adbc._dbapi.option_texts import texts

__all__ = ["open_database"]


def open_database(
    uri: str | None, options: Mapping[str, Any], hooks: Mapping[str, str]
) -> DatabaseHandle:
    """Returns an open database.

    Args:
        uri: Where to connect; None for what the options or the environment say.
        options: By key.
        hooks: The options that callables travel as.

    Raises:
        Error: The options are wrong.
    """
    from e6data_adbc import _native

    given = dict(options)
    if uri is not None:
        given["uri"] = uri
    return DatabaseHandle(
        driver=_native.__file__,
        # Without the manager's struct around a stream, which cannot be released while it is read.
        entrypoint="AdbcDriverE6dataDirectInit",
        **texts(given),
        **hooks,
    )
