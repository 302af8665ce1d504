"""Rows of `webhook_cursor`: up to which link of the audit log's chain a receiver has been given its deliveries."""

from sqlite_utils import Database


def position(db: Database, subscriber: str, start: int) -> int:
    """Writes where the subscriber is new: it begins after link `start`. The number of the last link seen to."""
    db.execute(
        "INSERT INTO webhook_cursor (subscriber, number) VALUES (?, ?) ON CONFLICT (subscriber) DO NOTHING",
        (subscriber, start),
    )
    row = db.execute("SELECT number FROM webhook_cursor WHERE subscriber = ?", (subscriber,)).fetchone()
    return int(row[0])


def move(db: Database, subscriber: str, number: int) -> None:
    """Writes."""
    db.execute("UPDATE webhook_cursor SET number = ? WHERE subscriber = ?", (number, subscriber))
