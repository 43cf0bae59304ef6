#!/bin/sh
# Keeps the promises of the official valkey image: options alone are enough, root is dropped,
# and protected mode is off unless asked for.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- valkey-server "$@"
fi
if [ "$1" = valkey-server ]; then
    case " $* " in
    *' --protected-mode '*) ;;
    *) set -- "$@" --protected-mode no ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        find . \! -user valkey -exec chown valkey '{}' +
        exec setpriv --reuid=valkey --regid=valkey --clear-groups -- "$@"
    fi
fi
exec "$@"
