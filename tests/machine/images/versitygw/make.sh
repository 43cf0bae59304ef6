#!/usr/bin/env bash
# Another S3 server than MinIO: objects are files of a folder.
set -euo pipefail

cp go.mod made/
go build -modfile=made/go.mod -o made/versitygw -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw
