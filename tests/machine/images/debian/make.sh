#!/usr/bin/env bash
# What Debian's slim image leaves out: manuals, documentation and translations.
set -euo pipefail

mmdebstrap --variant=minbase --include=ca-certificates \
    --aptopt=host/etc/apt/apt.conf.d/90host \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    trixie made/rootfs.tar "$(cat mirror)"
