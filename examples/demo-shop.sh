#!/usr/bin/env bash
# `make demo-shop`: from a fresh clone to a running shop with an order in it. Running it again takes seconds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() {
  if [ -t 1 ] && [ -z "${NO_COLOR-}${CI-}" ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}

machine() { bash "$here/../tests/machine/machine.sh" "$@"; }

new_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

engine() {
  docker info >/dev/null 2>&1 && return
  if ! new_debian; then
    echo "no Docker engine answers; install one from https://docs.docker.com/get-docker and run make demo-shop again" >&2
    exit 3
  fi
  machine --engine
}

# The shop's and no others. Elsewhere the engine pulls them.
images() {
  new_debian || return 0
  local rendered
  rendered=$(mktemp -d)
  devenv -q render -o "$rendered" >/dev/null
  machine --for "$rendered/compose.yaml" ./*/Dockerfile
  rm -rf "$rendered"
}

# The gateway's address, whatever port it got on this machine.
gateway() {
  devenv status --json | python3 -c '
import json, sys
units = {unit["name"]: unit for unit in json.load(sys.stdin)["units"]}
print("http://localhost:%d" % units["kong"]["ports"]["proxy"])'
}

order() {
  curl -fsS -X POST "$1/api/orders" -H 'apikey: demo-key' -H 'content-type: application/json' \
    -d "{\"sku\": \"$2\", \"quantity\": 1}"
}

engine
cd "$here/shop"
images

say 'devenv up -d      in examples/shop: five services, five stores, one gateway'
devenv up -d

url=$(gateway)
sku=$(curl -fsS "$url/api/catalogue" | python3 -c '
import json, sys
found = json.load(sys.stdin)
print((found if isinstance(found, list) else next(v for v in found.values() if isinstance(v, list)))[0]["sku"])')

say "one order through the gateway: POST $url/api/orders"
order "$url" "$sku"

say 'devenv status'
devenv status

cat <<END

  the shop       $url/
  try next       . .venv/bin/activate && cd examples/shop
                 devenv logs -f orders       watch it work
                 devenv exec postgres psql -U app shop
                 devenv env orders           reach the same stores from your editor
                 devenv down                 ends it and keeps the data

END
