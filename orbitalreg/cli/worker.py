"""`orbitalreg worker`."""

import signal
import threading

import click

from orbitalreg.catalog import jobs
from orbitalreg.cli.common import config_option, json_option, opened, print_json
from orbitalreg.jobs import Worker
from orbitalreg.model import now
from orbitalreg.web.context import configure_logging


@click.command()
@click.option("--once", is_flag=True, help="Run what is due now, and end.")
@click.option("--retry", is_flag=True, help="Begin what was given up anew.")
@config_option
@json_option
def worker(once: bool, retry: bool, config_file: str | None, as_json: bool) -> None:
    """Run jobs without serving, until SIGTERM or Ctrl-C: beside a WSGI server, which runs none, or to help one.

    `orbitalreg serve` runs jobs itself.
    """
    configure_logging()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: ended.set())
    with opened(config_file) as registry:
        if retry:
            with registry.catalog.write() as db:
                jobs.retry(db, now())
        running = Worker(registry.catalog, registry.handlers)
        running.start()
        if as_json:
            print_json({"working": True})
        else:
            click.echo("orbitalreg: working")
        while not ended.is_set() and not (once and running.wait_idle(1.0)):
            if not once:
                ended.wait()
        running.stop()
