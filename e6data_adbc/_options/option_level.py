"""Options of one object on top of those of the object it came from."""

from __future__ import annotations

from e6data_adbc import errors
from e6data_adbc._options import option_values
from e6data_adbc._options.option_values import Settings
from e6data_adbc.options import OptionValue

__all__ = ["OptionLevel", "parse_flag", "parse_name"]


class OptionLevel:
    """The options of a database, a connection or a statement; any thread may read and set.

    A value that is set below hides the one above; resetting it shows the one above again.
    """

    def __init__(self, name: str, own: Settings, parent: OptionLevel | None = None) -> None:
        self._name = name
        self._own = own
        self._parent = parent
        #: The settings above, those of this level, and both together: what they mean is worked out once for all calls.
        self._merged: tuple[Settings, Settings, Settings] | None = None

    @property
    def settings(self) -> Settings:
        """The values in force, as a snapshot."""
        own, merged = self._own, self._merged
        if self._parent is None:
            return own
        above = self._parent.settings
        if not own.values:
            return above
        if merged is None or merged[0] is not above or merged[1] is not own:
            merged = (above, own, Settings({**above.values, **own.values}))
            self._merged = merged
        return merged[2]

    def set(self, key: str, value: OptionValue) -> None:
        """Sets *key*, or resets it by None.

        Raises:
            ProgrammingError: *value* does not parse.
            NotSupportedError: There is no such option, or it cannot be set at this level.
        """
        own = self._own.with_option(key, value)
        if not option_values.is_inherited(key):
            raise errors.make(
                errors.Status.NOT_IMPLEMENTED,
                f"could not set option {key!r} on the {self._name}: it is fixed when the database is opened",
            )
        self._own = own

    def read(self, key: str) -> OptionValue:
        """Returns the value of *key* in force.

        Raises:
            ProgrammingError: There is no such option, or it has no value (NOT_FOUND).
        """
        return self.settings.read(key)


def parse_flag(key: str, value: OptionValue) -> bool:
    """Returns the truth value that *value* of option *key* means.

    Raises:
        ProgrammingError: It is neither.
    """
    text = parse_name(value)
    if text is not None and text.lower() in {"true", "1", "1.0"}:
        return True
    if text is not None and text.lower() in {"false", "0", "0.0"}:
        return False
    raise errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not set option {key!r} to {value!r}: not 'true' or 'false'",
    )


def parse_name(value: OptionValue) -> str | None:
    """Returns *value* as text; None where it is empty or not set."""
    if isinstance(value, bytes):
        value = value.decode()
    return None if value is None or value == "" else str(value)
