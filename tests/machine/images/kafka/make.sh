#!/usr/bin/env bash
# The broker and its tools from the jars that Kafka publishes.
set -euo pipefail

mvn -q -B -Dmaven.repo.local="$CACHE/maven" -f pom.xml dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$PWD/made/libs"
