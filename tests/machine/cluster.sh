#!/usr/bin/env bash
# A real Kubernetes for the tests: Minikube, and clusters of one container. See cluster/README.md.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/cluster
CACHE=${DEVENV_MACHINE_CACHE:-$HOME/.cache/devenv-machine}
MADE=$CACHE/cluster
BIN=$MADE/bin
PROFILE=devenv-test

# shellcheck source=cluster/tables.sh
. "$CLUSTER/tables.sh"
# shellcheck source=cluster/build.sh
. "$CLUSTER/build.sh"
# shellcheck source=cluster/minikube.sh
. "$CLUSTER/minikube.sh"
# shellcheck source=cluster/kubeadm.sh
. "$CLUSTER/kubeadm.sh"

usage() {
    cat >&2 <<'TEXT'
usage: cluster.sh                          build what is missing
       cluster.sh up [PROFILE]             start Minikube, or use the running one; print what to export
       cluster.sh env                      print what to export
       cluster.sh down|delete [PROFILE]    stop it (its data stays), or remove it
       cluster.sh kubeadm up NAME PORT     a cluster of one container, its API at 127.0.0.1:PORT
       cluster.sh kubeadm down NAME        remove it
TEXT
    exit 2
}

# Standard output carries only what `eval` may read; a build run by hand speaks there too.
say() { printf '%s\n' "$*" >&3; }

die() {
    printf 'cluster: %s\n' "$*" >&2
    exit "${STATUS:-1}"
}

# timed WHAT COMMAND...: runs the command with its output in a log, attached to nothing of ours,
# and says how long it took.
timed() {
    local what=$1 start=$SECONDS log
    shift
    log=$MADE/logs/${what//[^[:alnum:].]/_}.log
    if ! "$@" </dev/null >"$log" 2>&1 3>&- 9>&-; then
        tail -n 25 "$log" >&2
        die "$what: failed; the whole log: $log"
    fi
    say "$what, $((SECONDS - start)) s"
}

# One build or start at a time: a second one waits, and then finds it done.
locked() {
    mkdir -p "$MADE/logs"
    exec 9>"$MADE/lock"
    flock 9
}

main() {
    exec 3>&2
    case "${1:-}:${2:-}:$#" in
    ::0) exec 3>&1 && locked && ensure_programs && say "ready     after $SECONDS s" ;;
    up:*:[12]) locked && ensure_programs && minikube_up "${2:-$PROFILE}" && print_env "${2:-$PROFILE}" ;;
    env::1) print_env "$PROFILE" ;;
    down:*:[12]) minikube_do stop "${2:-$PROFILE}" ;;
    delete:*:[12]) minikube_do delete "${2:-$PROFILE}" ;;
    kubeadm:up:4) locked && ensure_kit && kubeadm_up "$3" "$4" ;;
    kubeadm:down:[34]) kubeadm_down "$3" ;;
    *) usage ;;
    esac
}

main "$@"
