#!/usr/bin/env bash
# The broker from the jars that ActiveMQ publishes.
set -euo pipefail

mvn -q -B -Dmaven.repo.local="$CACHE/maven" -f pom.xml dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$PWD/made/lib"
