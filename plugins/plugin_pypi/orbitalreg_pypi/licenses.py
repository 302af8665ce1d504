"""Under which licenses a file comes, by its metadata: an SPDX expression, as far as one is stated.

The field License-Expression is one (PEP 639). Older files have free text in License, which counts where it is an
expression all the same, and classifiers, of which those count that name one license and leave nothing open.
"""

from email.parser import HeaderParser

from packaging.licenses import canonicalize_license_expression

from orbitalreg.errors import UploadRefused
from orbitalreg_pypi import metadata

MAX_HEADER = 1 << 20  # characters that are parsed in the server: a longer header tells no license
MAX_LICENSE = 200  # characters of License that may be an expression; longer ones are the license's text

CLASSIFIERS = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": "CECILL-2.1",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "zlib/libpng License": "Zlib",
}
"""By what follows the last `::`. Not here is what may mean several: "BSD License", "Apache Software License"."""


def stated(document: bytes) -> str | None:
    """The expression that METADATA or PKG-INFO states, which need not be a valid one. Takes hostile bytes."""
    try:
        header, _ = metadata.parts(document)
    except UploadRefused:
        return None
    if len(header) > MAX_HEADER:
        return None
    message = HeaderParser().parsestr(header)
    if expression := _text(message.get("License-Expression")):
        return expression
    if (text := _text(message.get("License"))) and len(text) <= MAX_LICENSE and _is_expression(text):
        return text
    named = [_text(value).rpartition(" :: ")[2] for value in message.get_all("Classifier", ())]
    found = dict.fromkeys(CLASSIFIERS[name] for name in named if name in CLASSIFIERS)
    return " AND ".join(found) or None


def _is_expression(text: str) -> bool:
    try:
        canonicalize_license_expression(text)
    except Exception:  # foreign code on hostile text: SyntaxError, RecursionError and others
        return False
    return True


def _text(value: str | None) -> str:
    return "" if value is None or value.strip() == "UNKNOWN" else " ".join(str(value).split())
