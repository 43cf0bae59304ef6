#!/usr/bin/env bash
# Keeps the promises of the official postgres image: its variables, its init scripts, and a
# first start in two steps, a server on the socket only and then the real one.
set -Eeuo pipefail
shopt -s nullglob

# from_file NAME [DEFAULT]: NAME, or what the file named by NAME_FILE holds.
from_file() {
    local name=$1 file=$1_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        echo "error: both $name and $file are set (but are exclusive)" >&2
        exit 1
    fi
    [ -z "${!file:-}" ] || printf -v "$name" %s "$(<"${!file}")"
    export "$name=${!name:-${2:-}}"
    unset "$file"
}

prepare_folders() {
    mkdir -p "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    chown postgres:postgres /run/postgresql
}

check_settings() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser, or POSTGRES_HOST_AUTH_METHOD=trust to allow all connections.
TEXT
        exit 1
    fi
    if grep -qs ' /var/lib/postgresql/data ' /proc/self/mountinfo; then
        cat >&2 <<'TEXT'
Error: in 18+, these Docker images are configured to store database data in a
       format which is compatible with "pg_ctlcluster": the volume belongs at
       /var/lib/postgresql, and one is mounted at /var/lib/postgresql/data.
TEXT
        exit 1
    fi
}

make_cluster() {
    local arguments
    # What initdb is given is a shell's words, as in the official image.
    eval "arguments=(${POSTGRES_INITDB_ARGS:-})"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_sql() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"; }
docker_process_sql() { run_sql --dbname "$POSTGRES_DB" "$@"; } # the name init scripts know

# A script that is not executable is read into this shell, and can use its functions.
run_script() {
    # shellcheck disable=SC1090
    if [ -x "$1" ]; then "$1"; else . "$1"; fi
}

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        echo "$0: running $file"
        case $file in
        *.sh) run_script "$file" ;;
        *.sql) docker_process_sql -f "$file" ;;
        *.sql.gz) gunzip -c "$file" | docker_process_sql ;;
        *.sql.xz) xzcat "$file" | docker_process_sql ;;
        *.sql.zst) zstd -dc "$file" | docker_process_sql ;;
        *) echo "$0: ignoring $file" ;;
        esac
    done
}

initialise() {
    make_cluster
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -p 5432 $*"
    if [ "$POSTGRES_DB" != postgres ]; then
        echo 'CREATE DATABASE :"db";' | run_sql --dbname postgres --set db="$POSTGRES_DB"
    fi
    run_init_files
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

main() {
    [ "${1:0:1}" != - ] || set -- postgres "$@"
    [ "$1" = postgres ] || exec "$@"
    if [ "$(id -u)" = 0 ]; then
        prepare_folders
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS
    POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD:-}
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        check_settings
        initialise "${@:2}"
    fi
    exec "$@"
}

main "$@"
