#!/usr/bin/env bash
# FerretDB with our replica set of one, and the MongoDB tools that images carry.
set -euo pipefail

version=v1.24.0
source=$(go mod download -json "github.com/FerretDB/FerretDB@$version" | sed -n 's/^\t"Dir": "\(.*\)",/\1/p')
cp -R "$source" made/source && chmod -R u+w made/source
cp handler/replset.go made/source/internal/handler/
cd made/source
echo "$version" >build/version/version.txt # generated in a release

# patch FILE SCRIPT: edits a file, and fails where the edit finds nothing to change.
patch() {
    cp "$1" before
    sed -i "$2" "$1"
    ! cmp -s before "$1"
}
patch internal/handler/msg_hello.go \
    's|^\tres.Set("maxBsonObjectSize".*|\tif err = h.describeReplicaSet(res); err != nil {\n\t\treturn nil, err\n\t}\n\n&|'
patch internal/handler/commands.go \
    's|^\t\t"saslContinue": {|\t\t"replSetGetStatus": {Handler: h.MsgReplSetGetStatus, anonymous: true},\n\t\t"replSetInitiate": {Handler: h.MsgReplSetInitiate, anonymous: true},\n&|'

GOWORK=off go build -o ../ferretdb -ldflags '-s -w' ./cmd/ferretdb
cd ../../tools
cp go.mod ../made/
go build -modfile=../made/go.mod -o ../made/mongotools -ldflags '-s -w' .
rm -rf ../made/source
