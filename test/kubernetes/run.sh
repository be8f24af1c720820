#!/bin/sh
# Runs the test with a real API server. Everything is on loopback, on ports that nobody has; needs no root.
# RECORD=1 writes test/fixtures/recordings/kubernetes/ anew from what it sees.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ "${CI:-}" = true ]; then sh "$here/setup.sh"; fi
missing=$(sh "$here/setup.sh" --where | sed -n "s/=$//p" | tr "\n" " ")
if [ -n "$missing" ]; then
  echo "test:kubernetes: missing: $missing; to get what is missing: sh test/kubernetes/setup.sh" >&2
  exit 1
fi
cd "$here/../.."
exec npx vitest run --project kubernetes "$@"
