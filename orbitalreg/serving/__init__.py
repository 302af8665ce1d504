"""How waitress is run: bodies are admitted from their heads, everything has a time limit, a stop is graceful.

The application learns of this by one key of its environ, `ADMISSION_KEY`; under another server the key is absent
and the application judges when it is called with the body.
"""

from orbitalreg.serving.admission import ADMISSION_KEY, Admission
from orbitalreg.serving.limits import Limits
from orbitalreg.serving.listener import authority, bind
from orbitalreg.serving.processes import supervise
from orbitalreg.serving.server import Server
from orbitalreg.serving.signals import install_signals

__all__ = ["ADMISSION_KEY", "Admission", "Limits", "Server", "authority", "bind", "install_signals", "supervise"]
