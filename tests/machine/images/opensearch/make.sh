#!/usr/bin/env bash
# The smallest distribution that OpenSearch publishes, and three of its modules: a jar that the server has already
# would be refused there.
set -euo pipefail

maven() { mvn -q -B -Dmaven.repo.local="$CACHE/maven" "$@"; }

maven org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:2.19.6:zip -DoutputDirectory="$PWD/made"
(cd made && python3 -m zipfile -e opensearch-*.zip . && rm opensearch-*.zip && mv opensearch-* opensearch)
chmod +x made/opensearch/bin/*
for module in lang-painless analysis-common reindex; do
    plugin=$module
    [ $module != reindex ] || plugin=reindex-client
    sed "s/PLUGIN/$plugin/" pom.xml >"made/$module.xml"
    maven -f "made/$module.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$PWD/made/opensearch/modules/$module"
    for jar in made/opensearch/lib/*.jar; do rm -f "made/opensearch/modules/$module/${jar##*/}"; done
    cp "$module"/* "made/opensearch/modules/$module/"
done
