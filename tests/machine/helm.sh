#!/usr/bin/env bash
# Prints the path of a Helm of one major, compiled from its Go module, once.
#
# usage: helm.sh 3|4             compile it where it is missing
#        helm.sh --find 3|4      make nothing; exit 3 where there is none
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${DEVENV_MACHINE_CACHE:-$HOME/.cache/devenv-machine}

# shellcheck source=engine.sh
. "$HERE/engine.sh"

declare -A VERSIONS=([3]=v3.21.4 [4]=v4.3.1)

# Standard output is the answer.
say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'helm: %s\n' "$*" >&2
    exit 3
}

# Helm 3 learns from the linker which Kubernetes it was made for; by itself it says 1.20, which charts refuse.
compile() {
    local module=helm.sh/helm/v$1 flags='-s -w' client
    ensure_go
    client=$(GOMODCACHE=$CACHE/go/mod go mod download -json "$module@$2" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
    client=$(sed -n 's#.*k8s.io/client-go v0\.\([0-9]*\)\..*#\1#p' "$client")
    flags+=" -X $module/internal/version.version=$2"
    [ "$1" != 3 ] || for package in pkg/lint/rules pkg/chartutil; do
        flags+=" -X $module/$package.k8sVersionMajor=1 -X $module/$package.k8sVersionMinor=$client"
    done
    CGO_ENABLED=0 GOFLAGS= GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/mod GOBIN=$CACHE/helm/$2.new \
        nice -n 5 go install -p 2 -trimpath -ldflags "$flags" "$module/cmd/helm@$2" &&
        rm -rf "${CACHE:?}/helm/$2" && mv "$CACHE/helm/$2.new" "$CACHE/helm/$2"
}

main() {
    local make=true version helm log
    if [ "${1:-}" = --find ]; then make=false && shift; fi
    version=${VERSIONS[${1:-}]:-}
    [ $# = 1 ] && [ -n "$version" ] || die "usage: helm.sh [--find] 3|4"
    helm=$CACHE/helm/$version/helm
    if [ ! -x "$helm" ]; then
        $make || die "no Helm $1 here; tests/machine/helm.sh $1 makes one"
        mkdir -p "$CACHE/logs"
        exec 9>"$CACHE/helm.lock"
        flock 9
    fi
    if [ ! -x "$helm" ]; then
        log=$CACHE/logs/helm$1.log
        compile "$1" "$version" </dev/null >"$log" 2>&1 9>&- || {
            tail -n 25 "$log" >&2
            die "no Helm $1 could be made; the whole log: $log"
        }
        say "helm      $version, $SECONDS s"
    fi
    echo "$helm"
}

main "$@"
