#!/usr/bin/env bash
# `go install` refuses the module, whose own go.mod replaces others.
set -euo pipefail

cd made
go mod init devenv.test/jaeger
go get -tool github.com/jaegertracing/jaeger/cmd/jaeger@v1.76.0
go build -ldflags '-s -w' -o jaeger github.com/jaegertracing/jaeger/cmd/jaeger
