#!/usr/bin/env bash
# Prints a folder with Traefik, compiled from its Go module, once, and with the definitions of the Gateway API that it
# serves, as `traefik` and `gateway-api/*.yaml`.
#
# usage: traefik.sh              compile it where it is missing
#        traefik.sh --find       make nothing; exit 3 where there is none
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${DEVENV_MACHINE_CACHE:-$HOME/.cache/devenv-machine}
PACKAGE=github.com/traefik/traefik/v3
VERSION=$(sed -n "s#^require $PACKAGE ##p" "$HERE/traefik/go.mod")
FOLDER=$CACHE/traefik/$VERSION

# shellcheck source=engine.sh
. "$HERE/engine.sh"

# Standard output is the answer.
say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'traefik: %s\n' "$*" >&2
    exit 3
}

compile() {
    local made=$FOLDER.new definitions
    ensure_go
    rm -rf "$made" && mkdir -p "$made/gateway-api" && cp "$HERE/traefik/go.mod" "$made" && cd "$made"
    export CGO_ENABLED=0 GOFLAGS=-mod=mod GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/mod
    nice -n 5 go build -p 2 -trimpath -buildvcs=false -ldflags "-s -w -X $PACKAGE/pkg/version.Version=$VERSION" \
        -o traefik "$PACKAGE/cmd/traefik" || return
    definitions=$(go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd/standard
    cp "$definitions"/gateway.networking.k8s.io_*.yaml gateway-api &&
        rm -rf "$FOLDER" && mv "$made" "$FOLDER"
}

main() {
    local log=$CACHE/logs/traefik.log
    if [ ! -x "$FOLDER/traefik" ]; then
        [ "${1:-}" != --find ] || die "no Traefik here; tests/machine/traefik.sh makes one"
        mkdir -p "$CACHE/logs" "$CACHE/traefik"
        exec 9>"$CACHE/traefik.lock"
        flock 9
    fi
    if [ ! -x "$FOLDER/traefik" ]; then
        (compile) </dev/null >"$log" 2>&1 9>&- || {
            tail -n 25 "$log" >&2
            die "no Traefik could be made; the whole log: $log"
        }
        say "traefik   $VERSION, $SECONDS s"
    fi
    echo "$FOLDER"
}

main "$@"
