"""The server that is soaked."""

from contextlib import suppress
from pathlib import Path

from harness import REPOSITORY, Registry


class Server(Registry):
    """`orbitalreg serve` with so many processes; when it is entered it starts, and has its tokens."""

    def __init__(self, folder: Path, processes: int) -> None:
        super().__init__(folder, options=["--processes", str(processes)] if processes > 1 else [])
        self.processes = processes
        self.monitor = ""
        """A token that may read the metrics."""

    def __enter__(self) -> "Server":
        self.start()
        try:
            self.token = self.new_token("soak", f"{REPOSITORY}:maintain")
            self.monitor = self.new_token("monitor", "acme:admin")
        except BaseException:
            self.close()
            raise
        return self

    @property
    def serving(self) -> list[int]:
        """The processes that answer: the children of one that only watches, else the process itself."""
        return self.children() if self.processes > 1 else [self.pid]

    def faults(self) -> list[str]:
        """As ever, of a log that is too long to be held at once."""
        with self.log.open(errors="replace") as lines:
            return [line for line in lines if "Traceback" in line or '"level":"error"' in line.replace(": ", ":")]

    def spooled(self) -> int:
        """Bodies that it holds in files without a name."""
        spool, found = str(self.data / "spool"), 0
        for pid in self.serving:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    found += str(link.readlink()).startswith(spool)
        return found
