#!/usr/bin/env bash
# The distribution that Keycloak publishes beside its jars.
set -euo pipefail

mvn -q -B -Dmaven.repo.local="$CACHE/maven" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact=org.keycloak:keycloak-quarkus-dist:26.7.3:zip -DoutputDirectory="$PWD/made"
(cd made && python3 -m zipfile -e keycloak-quarkus-dist-*.zip . && rm keycloak-quarkus-dist-*.zip && mv keycloak-* keycloak)
chmod +x made/keycloak/bin/kc.sh
