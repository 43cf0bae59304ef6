#!/bin/sh
# `server /data ...` alone is enough, as in the published image.
case $1 in
silo | minio | mc | sh | bash | /*) exec "$@" ;;
*) exec silo "$@" ;;
esac
