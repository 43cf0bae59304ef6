#!/usr/bin/env bash
# Keeps the promises of the official rabbitmq image: root is dropped, and variables that it no longer reads
# end the start.
set -euo pipefail

if [[ "$1" == rabbitmq* ]]; then
    for name in RABBITMQ_VM_MEMORY_HIGH_WATERMARK RABBITMQ_DEFAULT_PASS_FILE RABBITMQ_DEFAULT_USER_FILE; do
        if [ -n "${!name:-}" ]; then
            echo "error: $name is set but deprecated" >&2
            exit 1
        fi
    done
    if [ "$(id -u)" = 0 ]; then
        if [ "$1" = rabbitmq-server ]; then
            find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
        fi
        exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
fi
exec "$@"
