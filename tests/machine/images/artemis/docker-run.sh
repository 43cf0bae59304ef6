#!/bin/bash
# Keeps the promises of apache/activemq-artemis: a new folder becomes a broker first.
set -e
if [ "${ANONYMOUS_LOGIN:-false}" = true ]; then login=--allow-anonymous; else login=--require-login; fi
if [ ! -f etc/broker.xml ]; then
    # shellcheck disable=SC2086  # options are words
    /opt/activemq-artemis/bin/artemis create --user "${ARTEMIS_USER:-artemis}" --password "${ARTEMIS_PASSWORD:-artemis}" \
        --silent $login ${EXTRA_ARGS:---http-host 0.0.0.0 --relax-jolokia} .
fi
exec ./bin/artemis "$@"
