"""Instants of the model as times of a calendar, and as text. UTC throughout."""

from datetime import UTC, date, datetime, timedelta

from orbitalreg.model import Microseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(instant: Microseconds) -> datetime:
    """An instant of the model, exactly."""
    return _EPOCH + timedelta(microseconds=instant)


def at_or_none(instant: Microseconds | None) -> datetime | None:
    return None if instant is None else at(instant)


def microseconds(time: datetime) -> Microseconds:
    """The instant that `at` made a time of, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def end_of(day: date) -> Microseconds:
    """The instant at which the day is over, UTC."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))


def to_the_second(time: datetime | None) -> str | None:
    """For people and programs: `2026-01-31T10:00:00Z`."""
    return None if time is None else f"{time.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def moment(instant: Microseconds | None) -> str | None:
    """The same of an instant."""
    return to_the_second(at_or_none(instant))
