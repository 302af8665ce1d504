"""What versions ask of other packages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a version asks of one other package in one environment, as its format's adapter reads it.

    `package` is in normal form; it is empty where `stated`, the text in the file's own words, cannot be read.
    `specifier` is the adapter's own text for the versions that are allowed: what allows the same is spelt alike as far
    as can be, and an empty one allows any. `extras` are the optional parts that are asked for, in normal form and byte
    order. What `is_elsewhere` is to be taken from an address: no repository is asked for it.
    """

    package: str
    specifier: str = ""
    extras: tuple[str, ...] = ()
    stated: str = ""
    is_elsewhere: bool = False
