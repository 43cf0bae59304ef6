#!/usr/bin/env bash
# The module is the repository as it stands: the web interface has to be bundled into it first.
set -euo pipefail

version=v1.27.11
source=$(go mod download -json "github.com/axllent/mailpit@$version" | sed -n 's/^\t"Dir": "\(.*\)",/\1/p')
cp -R "$source" made/source && chmod -R u+w made/source
docker run --rm --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD/made/source:/source" -w /source \
    node:24-slim sh -c 'npm ci --no-audit --no-fund && npm run package'
(cd made/source && go build -o ../mailpit -ldflags "-s -w -X github.com/axllent/mailpit/config.Version=$version" .)
rm -rf made/source
