"""Names as SQL text."""

from __future__ import annotations

from e6data_adbc import errors

__all__ = ["quoted_name"]


def quoted_name(name: str, kind: str) -> str:
    """Returns *name* as a quoted SQL name, which means the same under every quoting rule.

    Args:
        name: The name itself.
        kind: What it names, for errors.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, the name is empty or has a character without a safe form.
    """
    cause = None
    if not name:
        cause = "it is empty"
    elif "\0" in name:
        cause = "it has a NUL character"
    elif "\\" in name:
        cause = "an engine may read its backslash as an escape"
    else:
        try:
            name.encode()
        except UnicodeError:
            cause = "it is not valid Unicode"
    if cause is not None:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not write the {kind} name {name!r} in SQL: {cause}",
            hint=f"rename the {kind}",
        )
    return '"' + name.replace('"', '""') + '"'
