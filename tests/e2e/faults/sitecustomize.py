"""Loaded by the server at its start: makes one call of one upload fail, once.

`ORBITALREG_FAULT` names a JSON file, read at each call: `{"filename": …, "call": …, "number": n, "effect": …}`. The
n-th such call that is made for the upload of that filename has the effect, and `<file>.done` is made; no other upload
notices. Effects: the name of an errno; `short` (a write takes a part of what it is given); `after` (it happens, and
fails nevertheless). Children of the server do not get the variable.
"""

import errno
import json
import os
import sys
import tempfile
from pathlib import Path

PLAN = os.environ.get("ORBITALREG_FAULT")
counts = {}


def plan_for(call, frame):
    """The plan, if this is the call that it speaks of."""
    try:
        plan = json.loads(Path(PLAN).read_text())
    except FileNotFoundError:
        return None
    if plan["call"] != call or os.path.exists(PLAN + ".done") or not concerns(frame, plan["filename"]):
        return None
    key = (plan["filename"], call)
    counts[key] = counts.get(key, 0) + 1
    if counts[key] != plan["number"]:
        return None
    Path(PLAN + ".done").touch()
    return plan


def concerns(frame, filename):
    """Whether the code that calls works on that upload, in the modules that store."""
    inside = False
    while frame is not None:
        inside = inside or frame.f_globals.get("__name__") in ("orbitalreg.staging", "orbitalreg.publishing")
        named = frame.f_locals.get("filename"), getattr(frame.f_locals.get("upload"), "filename", None)
        if inside and filename in named:
            return True
        frame = frame.f_back
    return False


def failing(call, real, error_of):
    def wrapper(*args, **kwargs):
        plan = plan_for(call, sys._getframe(1))
        if plan is None:
            return real(*args, **kwargs)
        if plan["effect"] == "short":
            descriptor, data = args
            return real(descriptor, data[: max(1, len(data) // 3)])
        if plan["effect"] == "after":
            real(*args, **kwargs)
        raise error_of(plan["effect"])

    return wrapper


def os_error(effect):
    number = getattr(errno, effect, errno.EIO)
    return OSError(number, os.strerror(number))


def replace_execute():
    from sqlite_utils import Database
    from sqlite_utils.utils import sqlite3

    real = Database.execute
    kinds = {"ENOSPC": ("SQLITE_FULL", "database or disk is full"), "EBUSY": ("SQLITE_BUSY", "database is locked")}

    def error_of(effect):
        name, text = kinds.get(effect, ("SQLITE_IOERR_WRITE", "disk I/O error"))
        error = sqlite3.OperationalError(text)
        error.sqlite_errorname = name
        return error

    def execute(self, sql, *args, **kwargs):
        call = {"BEGIN IMMEDIATE": "begin", "COMMIT": "commit"}.get(sql, "insert" if sql.startswith("INSERT") else None)
        if call is None:
            return real(self, sql, *args, **kwargs)
        return failing(call, real, error_of)(self, sql, *args, **kwargs)

    Database.execute = execute


class FailingSpool:
    """A temporary file of which one write fails; the spool does not know yet whose body it takes."""

    def __init__(self, file, plan):
        self._file, self._plan, self._writes = file, plan, 0

    def write(self, data):
        self._writes += 1
        if self._writes == self._plan["number"]:
            Path(PLAN + ".done").touch()
            if self._plan["effect"] != "short":
                raise os_error(self._plan["effect"])
            data = data[: len(data) // 3]
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


def replace_spool():
    real = tempfile.TemporaryFile

    def temporary_file(*args, **kwargs):
        file = real(*args, **kwargs)
        if sys._getframe(1).f_globals.get("__name__") != "orbitalreg.serving.spool":
            return file
        try:
            plan = json.loads(Path(PLAN).read_text())
        except FileNotFoundError:
            return file
        if plan["call"] != "spool" or os.path.exists(PLAN + ".done"):
            return file
        return FailingSpool(file, plan)

    tempfile.TemporaryFile = temporary_file


if PLAN:
    for name in ("open", "write", "fsync", "mkdir", "rename"):
        setattr(os, name, failing(name, getattr(os, name), os_error))
    replace_execute()
    replace_spool()
