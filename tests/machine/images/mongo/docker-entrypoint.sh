#!/usr/bin/env bash
# Keeps the promises of the official mongo image that FerretDB can keep: options alone are
# enough, root is dropped, and scripts run once against a server on loopback.
set -Eeuo pipefail
shopt -s nullglob

run_script() {
    # shellcheck disable=SC1090
    if [ -x "$1" ]; then "$1"; else . "$1"; fi
}

run_init_files() {
    local file server
    mongod --bind_ip 127.0.0.1 &
    server=$!
    until mongosh --quiet --eval 'db.hello()' >/dev/null 2>&1; do sleep 0.1; done
    for file in /docker-entrypoint-initdb.d/*; do
        echo "$0: running $file"
        case $file in
        *.js) mongosh --quiet "${MONGO_INITDB_DATABASE:-test}" "$file" ;;
        *.sh) run_script "$file" ;;
        *) echo "$0: ignoring $file" ;;
        esac
    done
    kill "$server"
    wait "$server" || true
}

main() {
    [ "${1:0:1}" != - ] || set -- mongod "$@"
    [ "$1" = mongod ] || exec "$@"
    if [ "$(id -u)" = 0 ]; then
        find /data/db /data/configdb \! -user mongodb -exec chown mongodb '{}' +
        exec setpriv --reuid=mongodb --regid=mongodb --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
    if [ -n "${MONGO_INITDB_ROOT_USERNAME:-}${MONGO_INITDB_ROOT_USERNAME_FILE:-}" ]; then
        echo "MONGO_INITDB_ROOT_USERNAME: this stand-in (FerretDB) has no access control" >&2
        exit 2
    fi
    local data=(/data/db/*) scripts=(/docker-entrypoint-initdb.d/*)
    if [ ${#data[@]} -eq 0 ] && [ ${#scripts[@]} -gt 0 ]; then
        run_init_files
    fi
    exec "$@"
}

main "$@"
