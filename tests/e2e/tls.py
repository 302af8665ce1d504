"""TLS in front of a server that has none, as a proxy in front of it would do it."""

import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme


class Terminator:
    """Listens on loopback with a certificate of its own authority, and passes the bytes on."""

    def __init__(self, folder: Path, authority: str) -> None:
        """`authority` is HOST:PORT of the server."""
        host, _, port = authority.rpartition(":")
        self._server = (host, int(port))
        made = trustme.CA()
        self.ca_file = folder / "registry-ca.pem"
        made.cert_pem.write_to_path(str(self.ca_file))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert("localhost").configure_cert(self._context)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(client, server_side=True) as outer,
                socket.create_connection(self._server) as inner,
            ):
                back = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
                back.start()
                _pump(outer, inner)
                back.join()
        except OSError:  # a client that went, or does not trust us
            client.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
