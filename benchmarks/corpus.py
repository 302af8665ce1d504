"""What the servers hold: wheels made here, the same bytes in every run, so that nothing has to be fetched."""

import base64
import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSIONS = 5  # of an ordinary package, one file each
PARTS = 4  # repositories over which the files of a parted package are spread
TAGS = [f"cp3{minor}-cp3{minor}-{system}" for minor in range(9, 14) for system in ("any", "win_amd64", "linux_x86_64")]
EPOCH = (2024, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Sizes:
    """How much of everything, and how long it may take."""

    packages: int  # ordinary packages
    asked: int  # how many of them are asked for in turn
    pages: tuple[int, ...]  # packages of so many files
    small_store: int  # ordinary packages in the store that the full one is compared with
    wheel_mb: int  # the large wheel that is downloaded
    uploads: int  # small uploads in one measurement
    upload_mb: int  # the large upload
    closure: int  # packages that one `uv pip install` draws in
    proxied: int  # packages that are asked of an upstream in one round, and the next ones in the next
    parted: int  # packages whose files lie in four repositories
    herd: int  # clients that ask for one file at once
    herd_mb: int
    far_closure: int  # packages that one `uv pip install` draws in through a proxy
    rescanned: int  # files that are looked at anew
    pairs: int  # names with versions that a scanner judges
    graphed: int  # versions in the larger graph
    real: int  # versions of real packages at most
    seconds: int  # of load at one point
    rounds: int
    minutes: int  # when the run is given up
    thorough: bool = True  # HTML pages too, and long pages at eight connections


FULL = Sizes(
    2000, 200, (2000, 10000), 20, 55, 500, 100, 30, 200, 50, 32, 50, 60, 10_000, 10_000, 100_000, 10_000, 2, 3, 60
)
QUICK = Sizes(300, 100, (1000,), 20, 55, 100, 100, 30, 100, 20, 32, 50, 60, 500, 2000, 10_000, 1000, 1, 2, 15)
SMOKE = Sizes(10, 10, (40,), 2, 2, 10, 2, 3, 10, 5, 4, 2, 3, 20, 100, 200, 20, 1, 1, 3, thorough=False)


@dataclass(frozen=True)
class Wheel:
    """One wheel; `payload` is how many random bytes it carries."""

    package: str
    version: str
    tag: str = "py3-none-any"
    requires: tuple[str, ...] = ()
    payload: int = 0

    @property
    def filename(self) -> str:
        return f"{self.package}-{self.version}-{self.tag}.whl"

    def metadata(self) -> str:
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {self.package}",
            f"Version: {self.version}",
            "Summary: made for a measurement",
            "Requires-Python: >=3.9",
            *(f"Requires-Dist: {name}" for name in self.requires),
        ]
        return "\n".join(lines) + "\n\nA wheel with nothing in it.\n"

    def content(self) -> bytes:
        info = f"{self.package}-{self.version}.dist-info"
        members = {
            f"{self.package}/__init__.py": f'__version__ = "{self.version}"\n'.encode(),
            f"{info}/METADATA": self.metadata().encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {self.tag}\n".encode(),
        }
        if self.payload:
            members[f"{self.package}/payload.bin"] = random.Random(self.filename).randbytes(self.payload)
        record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in members.items())
        members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as wheel:
            for path, data in members.items():
                wheel.writestr(zipfile.ZipInfo(path, EPOCH), data)
        return archive.getvalue()

    def kept_in(self, folder: Path) -> Path:
        """Its file below `folder`, written if it is not there."""
        path = folder / self.package / self.filename
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(self.content())
            partial.rename(path)
        return path


def ordinary(number: int) -> str:
    return f"small{number:05d}"


def of_many(files: int) -> str:
    return f"many{files}"


def parted(number: int) -> str:
    return f"parted{number:04d}"


def of_herd(number: int) -> str:
    return f"herd{number:02d}"


LARGE = "large"
CLOSURE = "closure00"  # what uv is asked for


def ordinary_wheels(packages: range, versions: int = VERSIONS) -> Iterator[Wheel]:
    return (Wheel(ordinary(n), f"1.{minor}.0") for n in packages for minor in range(versions))


def many_wheels(files: int) -> Iterator[Wheel]:
    per_version = len(TAGS)
    return (Wheel(of_many(files), f"1.{n // per_version}.0", TAGS[n % per_version]) for n in range(files))


def special_wheels(sizes: Sizes) -> Iterator[Wheel]:
    """The large wheel, and the closure."""
    yield Wheel(LARGE, "1.0.0", payload=sizes.wheel_mb * 1_000_000)
    yield from closure_wheels(sizes.closure)


def closure_wheels(packages: int) -> Iterator[Wheel]:
    """Three versions of each package, which draws in the two that follow it."""
    names = [f"closure{n:02d}" for n in range(packages)]
    for n, name in enumerate(names):
        for minor in range(3):
            yield Wheel(name, f"1.{minor}.0", requires=tuple(names[n + 1 : n + 3]), payload=200_000)


def whole(sizes: Sizes) -> list[Wheel]:
    """Everything: about 22,000 wheels at full size."""
    many = [wheel for files in sizes.pages for wheel in many_wheels(files)]
    return [*ordinary_wheels(range(sizes.packages)), *many, *special_wheels(sizes)]


def reduced(sizes: Sizes) -> list[Wheel]:
    """For a server to which uploads are slow: one file for packages that no page is asked of, no longest page."""
    asked = ordinary_wheels(range(sizes.asked))
    others = ordinary_wheels(range(sizes.asked, sizes.packages), 1)
    return [*asked, *others, *many_wheels(min(sizes.pages)), *special_wheels(sizes)]


def far(sizes: Sizes) -> list[Wheel]:
    """What the upstream holds that is proxied: enough that every round finds packages nobody asked for yet."""
    herds = [Wheel(of_herd(n), "1.0.0", payload=sizes.herd_mb * 1_000_000) for n in range(sizes.rounds)]
    return [
        *ordinary_wheels(range(sizes.proxied * sizes.rounds)),
        *(wheel for part in parts(sizes) for wheel in part),
        *herds,
        *closure_wheels(sizes.far_closure),
    ]


def parts(sizes: Sizes) -> list[list[Wheel]]:
    """Packages of five files by the repository, of four, that holds them: two of each package are in the first."""
    found: list[list[Wheel]] = [[] for _ in range(PARTS)]
    for number in range(sizes.parted):
        for minor in range(VERSIONS):
            found[minor % PARTS].append(Wheel(parted(number), f"1.{minor}.0"))
    return found


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
