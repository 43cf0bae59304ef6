#!/bin/sh
# `docker-start` alone is enough, as in the official image.
[ "$1" != docker-start ] || set -- kong "$@"
exec "$@"
