#!/usr/bin/env bash
# The distribution that Artemis publishes beside its jars.
set -euo pipefail

mvn -q -B -Dmaven.repo.local="$CACHE/maven" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact=org.apache.activemq:apache-artemis:2.44.0:zip:bin -DoutputDirectory="$PWD/made"
(cd made && python3 -m zipfile -e apache-artemis-*.zip . && rm apache-artemis-*.zip && mv apache-artemis-* artemis)
chmod +x made/artemis/bin/artemis
