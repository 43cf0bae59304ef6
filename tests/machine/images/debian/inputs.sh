#!/usr/bin/env bash
# How this host reaches the package registries, in host/: every image is built with it.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR/../.. source=engine.sh
. "$HERE/engine.sh"

bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
mkdir -p host/etc/apt/apt.conf.d host/usr/local/etc host/usr/local/share/ca-certificates

debian_mirror >mirror
cp -L "$bundle" host/usr/local/share/ca-certificates/host.crt
{
    echo 'Acquire::Languages "none";'
    apt-config dump | grep -iE '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' || true
} >host/etc/apt/apt.conf.d/90host

if command -v pip >/dev/null; then
    {
        echo '[global]'
        pip config list | sed -nE "s/^[^=]*\.((extra-)?index-url|trusted-host)='(.*)'$/\1 = \3/p"
    } >host/etc/pip.conf
fi
if command -v npm >/dev/null; then
    echo "registry=$(cd / && npm config get registry)" >host/usr/local/etc/npmrc
fi
