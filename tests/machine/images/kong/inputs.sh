#!/usr/bin/env bash
# The gateway stands alone: of the rest of the package it needs only that it is one.
set -euo pipefail

mkdir devenv
cp "$REPO/devenv/__init__.py" devenv/
cp -R "$REPO/devenv/gateway" devenv/
find devenv -name __pycache__ -prune -exec rm -r {} +
