#!/usr/bin/env bash
# Makes this machine fit for the tests that run real containers: a Docker engine, and, where
# Docker Hub cannot be reached, stand-ins for the images they use. See README.md.
#
# usage: machine.sh                 all of it
#        machine.sh --engine        the engine alone
#        machine.sh --kinds         all of it, and the images that only `make test-kinds` runs
#        machine.sh --for FILE...   the engine, and the images that these files name
#        machine.sh --list          what each image is
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
CACHE=${DEVENV_MACHINE_CACHE:-$HOME/.cache/devenv-machine}
export HERE REPO CACHE

# shellcheck source=engine.sh
. "$HERE/engine.sh"
# shellcheck source=standins.sh
. "$HERE/standins.sh"

say() { printf '%s\n' "$*"; }

die() {
    printf 'machine: %s\n' "$*" >&2
    exit 1
}

# timed WHAT COMMAND...: runs the command with its output in a log, and says how long it took.
timed() {
    local what=$1 start=$SECONDS log
    shift
    log=${what##* }
    log=$CACHE/logs/${log//[^[:alnum:].]/_}.log
    # Without the lock (9), which must not outlive this script in something it started.
    if ! "$@" </dev/null >"$log" 2>&1 9>&-; then
        tail -n 25 "$log" >&2
        die "$what: failed; the whole log: $log"
    fi
    say "$what, $((SECONDS - start)) s"
}

# ensure_images FILE...: the images that the files name; without files, those of images.txt that every run needs.
ensure_images() {
    read_table
    [ $# -eq 0 ] || keep_named_in "$@"
    if hub_answers; then
        say "images    Docker Hub answers: the published images are used"
    else
        say "images    Docker Hub does not answer: stand-ins are built where they are missing"
        build_standins
    fi
    list_images
}

main() {
    mkdir -p "$CACHE/logs"
    case ${1:-} in
    --list)
        engine_answers || die "no Docker engine answers; machine.sh without --list starts one"
        read_table
        list_images
        ;;
    '' | --engine | --for | --kinds)
        case ${1:-} in --for | --kinds) KINDS=1 ;; esac
        # One run at a time: a second one waits, and then finds everything done.
        exec 9>"$CACHE/lock"
        flock 9
        trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
        ensure_engine
        [ "${1:-}" = --engine ] || ensure_images "${@:2}"
        say "ready     after $SECONDS s"
        ;;
    *) die "usage: machine.sh [--list | --engine | --kinds | --for FILE...]" ;;
    esac
}

main "$@"
