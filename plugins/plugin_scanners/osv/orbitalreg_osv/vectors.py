"""CVSS vectors: which counts, and how severe it is."""

from collections.abc import Iterable

from cvss import CVSS2, CVSS3, CVSS4  # type: ignore[import-untyped]
from cvss.exceptions import CVSSError  # type: ignore[import-untyped]

from orbitalreg.model import Severity

LONGEST = 500
_BOUNDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))


def best(vectors: Iterable[str]) -> tuple[Severity, str] | None:
    """The severity by the newest version of CVSS that a valid vector is of, the highest score of these, and that
    vector. None where none is valid."""
    scored = [found for vector in vectors if (found := _scored(vector.strip().rstrip("/"))) is not None]
    if not scored:
        return None
    version, score, vector = max(scored)
    severity = next((severity for bound, severity in _BOUNDS if score >= bound), Severity.NEGLIGIBLE)
    return (min(severity, Severity.HIGH) if version == 2 else severity), vector


def _scored(vector: str) -> tuple[int, float, str] | None:
    """The version, the base score and the vector. CVSS 2 vectors bear no mark of their version."""
    if len(vector) > LONGEST:
        return None
    version, made = (
        (4, CVSS4) if vector.startswith("CVSS:4") else (3, CVSS3) if vector.startswith("CVSS:3") else (2, CVSS2)
    )
    try:
        return version, float(made(vector).base_score), vector
    except (CVSSError, ValueError, KeyError, IndexError, TypeError):  # the library looks at the form only roughly
        return None
