#!/bin/sh
# Installs the locked tools and builds the bundle; "./build.sh check" compares instead of writing.
set -eu
cd "$(dirname "$0")"
npm ci --no-fund --no-audit --loglevel=error
npm run --silent "${1:-build}"
