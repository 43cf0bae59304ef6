#!/usr/bin/env bash
# Prints the path of a Python of the version asked for. One that is not on the PATH is made from Debian's own
# packages, beside the system: nothing is installed, and it brings its own C library.
#
# usage: python.sh VERSION             for example 3.15
#        python.sh --find VERSION      make nothing; exit 3 where there is none
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${DEVENV_MACHINE_CACHE:-$HOME/.cache/devenv-machine}

# shellcheck source=engine.sh
. "$HERE/engine.sh"

# Standard output is the answer.
say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'python: %s\n' "$*" >&2
    exit 3
}

works() { "$1" -c 'import ssl, sys; assert sys.version.startswith(sys.argv[1] + ".")' "$2" 2>/dev/null; }

# need PROGRAM: installs Debian's package of that name where the program is missing.
need() {
    ! command -v "$1" >/dev/null || return 0
    can_install_engine || die "$1 is missing here; please install it, or Python $VERSION"
    { [ -e /etc/apt/sources.list.d/devenv-machine.sources ] || add_engine_suite; } && apt-get update && install_packages "$1"
}

# The packages are unpacked, and the program is told where its C library and its other libraries are.
make_python() {
    local root=$1 libraries
    need mmdebstrap && need patchelf
    rm -rf "$root" && mkdir -p "$(dirname "$root")"
    mmdebstrap --quiet --variant=extract --include="python$VERSION" \
        --aptopt="$(apt-config dump | grep -iE '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' | tr '\n' ' ')" \
        "$ENGINE_SUITE" "$root" "$(debian_mirror)"
    libraries=$(echo "$root"/usr/lib/*-linux-gnu*)
    patchelf --set-interpreter "$(echo "$libraries"/ld-linux*.so.*)" --force-rpath --set-rpath "$libraries" \
        "$root/usr/bin/python$VERSION"
}

main() {
    local make=true root python log
    if [ "${1:-}" = --find ]; then make=false && shift; fi
    [ $# = 1 ] || die "usage: python.sh [--find] VERSION"
    VERSION=$1 root=$CACHE/python/$1
    if python=$(command -v "python$VERSION") && works "$python" "$VERSION"; then
        echo "$python"
        return
    fi
    python=$root/usr/bin/python$VERSION
    mkdir -p "$CACHE/logs"
    exec 9>"$CACHE/python.lock"
    flock 9
    if ! works "$python" "$VERSION"; then
        $make || die "no Python $VERSION here; tests/machine/python.sh $VERSION makes one on Debian"
        log=$CACHE/logs/python$VERSION.log
        make_python "$root" </dev/null >"$log" 2>&1 9>&- || {
            tail -n 25 "$log" >&2
            die "no Python $VERSION could be made; the whole log: $log"
        }
        works "$python" "$VERSION" || die "$python does not start"
        say "python    $VERSION, $SECONDS s"
    fi
    echo "$python"
}

main "$@"
