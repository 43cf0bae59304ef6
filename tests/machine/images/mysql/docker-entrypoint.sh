#!/usr/bin/env bash
# Keeps the promises of the official mysql image: its variables, its init scripts, and a first
# start in two steps, a server without network and then the real one.
set -Eeuo pipefail
shopt -s nullglob

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date -Iseconds)" "$*"; }
fail() {
    printf '%s [ERROR] [Entrypoint]: %s\n' "$(date -Iseconds)" "$*" >&2
    exit 1
}

# from_file NAME [DEFAULT]: NAME, or what the file named by NAME_FILE holds.
from_file() {
    local name=$1 file=$1_FILE
    [ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "Both $name and $file are set (but are exclusive)"
    [ -z "${!file:-}" ] || printf -v "$name" %s "$(<"${!file}")"
    export "$name=${!name:-${2:-}}"
    unset "$file"
}

check_settings() {
    if [ -z "$MYSQL_ROOT_PASSWORD${MYSQL_ALLOW_EMPTY_PASSWORD:-}${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        fail "Database is uninitialized and password option is not specified
    You need to specify one of the following as an environment variable:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD"
    fi
    [ "$MYSQL_USER" != root ] ||
        fail 'MYSQL_USER="root", MYSQL_USER and MYSQL_PASSWORD are for configuring a regular user and cannot be used for the root user'
}

# setting NAME ARGUMENTS...: the value mysqld itself would use.
setting() { "${@:2}" --verbose --help 2>/dev/null | awk -v name="$1" '/^[^ ]/ && $1 == name { print $2; exit }'; }

quoted() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

start_temporary_server() {
    note "Starting temporary server"
    "$@" --daemonize --skip-networking --skip-mysqlx --default-time-zone=SYSTEM --socket="$SOCKET" ||
        fail "Unable to start server."
    note "Temporary server started."
}

as_root() { MYSQL_PWD=$PASSWORD_NOW mysql --protocol=socket -uroot -hlocalhost --socket="$SOCKET" "$@"; }

# The name that init scripts know it by.
# shellcheck disable=SC2120
docker_process_sql() { as_root ${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"} "$@"; }

create_accounts() {
    local password host
    password=$(quoted "$MYSQL_ROOT_PASSWORD")
    host=$(quoted "${MYSQL_ROOT_HOST:-%}")
    {
        echo "SET @@SESSION.SQL_LOG_BIN=0;"
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $password;"
        if [ "$host" != "'localhost'" ]; then
            echo "CREATE USER 'root'@$host IDENTIFIED BY $password;"
            echo "GRANT ALL ON *.* TO 'root'@$host WITH GRANT OPTION;"
        fi
        if [ -n "$MYSQL_DATABASE" ]; then
            echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"
        fi
        if [ -n "$MYSQL_USER" ] && [ -n "$MYSQL_PASSWORD" ]; then
            echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$MYSQL_PASSWORD");"
            [ -z "$MYSQL_DATABASE" ] ||
                echo "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $(quoted "$MYSQL_USER")@'%';"
        fi
        echo "FLUSH PRIVILEGES;"
    } | as_root --database=mysql
    PASSWORD_NOW=$MYSQL_ROOT_PASSWORD
}

# A script that is not executable is read into this shell, and can use its functions.
run_script() {
    # shellcheck disable=SC1090
    if [ -x "$1" ]; then "$1"; else . "$1"; fi
}

# shellcheck disable=SC2119
run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        note "running $file"
        case $file in
        *.sh) run_script "$file" ;;
        *.sql) docker_process_sql <"$file" ;;
        *.sql.gz) gunzip -c "$file" | docker_process_sql ;;
        *.sql.bz2) bunzip2 -c "$file" | docker_process_sql ;;
        *.sql.xz) xzcat "$file" | docker_process_sql ;;
        *.sql.zst) zstd -dc "$file" | docker_process_sql ;;
        *) note "ignoring $file" ;;
        esac
    done
}

initialise() {
    note "Initializing database files"
    "$@" --initialize-insecure --default-time-zone=SYSTEM
    start_temporary_server "$@"
    PASSWORD_NOW=''
    if [ -z "${MYSQL_INITDB_SKIP_TZINFO:-}" ]; then
        mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | as_root --database=mysql
    fi
    if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        MYSQL_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
        note "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
    fi
    create_accounts
    run_init_files
    note "Stopping temporary server"
    MYSQL_PWD=$PASSWORD_NOW mysqladmin -uroot --socket="$SOCKET" shutdown
    note "MySQL init process done. Ready for start up."
}

main() {
    [ "${1:0:1}" != - ] || set -- mysqld "$@"
    [ "$1" = mysqld ] || exec "$@"
    DATADIR=$(setting datadir "$@")
    SOCKET=$(setting socket "$@")
    [ -n "$DATADIR" ] || fail "mysqld failed while attempting to check config: $*"
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$DATADIR"
        find "$DATADIR" /run/mysqld \! -user mysql -exec chown mysql '{}' +
        exec setpriv --reuid=mysql --regid=mysql --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
    from_file MYSQL_ROOT_PASSWORD
    from_file MYSQL_DATABASE
    from_file MYSQL_USER
    from_file MYSQL_PASSWORD
    if [ ! -d "$DATADIR/mysql" ]; then
        check_settings
        initialise "$@"
    fi
    exec "$@"
}

main "$@"
