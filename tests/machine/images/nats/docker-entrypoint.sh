#!/bin/sh
# As in the official image: options alone are enough.
set -e
if [ "${1#-}" != "$1" ]; then
    set -- nats-server "$@"
fi
exec "$@"
