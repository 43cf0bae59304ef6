#!/usr/bin/env bash
# Keeps a promise of opensearchproject/opensearch: a variable with a dot in its name is a setting.
set -euo pipefail

settings=()
while IFS='=' read -r -d '' name value; do
    [[ $name != *.* ]] || settings+=("-E$name=$value")
done < <(env -0)
export OPENSEARCH_JAVA_OPTS="${OPENSEARCH_JAVA_OPTS:-} -Djava.security.manager=allow"
exec /usr/share/opensearch/bin/opensearch -Enetwork.host=0.0.0.0 "${settings[@]}"
