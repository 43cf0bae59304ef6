#!/usr/bin/env bash
# The collector's own builder writes the program's source, with the parts that builder.yaml lists.
set -euo pipefail

GOBIN=$PWD/made go install go.opentelemetry.io/collector/cmd/builder@v0.161.0
cd made
./builder --config ../builder.yaml
mv dist/otelcol-contrib .
rm -rf dist builder
