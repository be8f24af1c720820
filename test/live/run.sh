#!/bin/sh
# Runs the live test in network, mount and process namespaces of its own. What it changes of addresses,
# routes, redirect rules and mounts is never seen outside, and however it ends, its processes end with it.
# Needs root.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
fail() {
  echo "test:live: $*" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "needs Linux: its pods are network namespaces"
[ "$(id -u)" = 0 ] || fail "needs root: it makes network namespaces, and processes under other users' ids"
if [ "${CI:-}" = true ]; then sh "$here/setup.sh"; fi
missing=$(sh "$here/setup.sh" --where | sed -n "s/=$//p" | tr "\n" " ")
[ -z "$missing" ] || fail "missing: $missing; to get what is missing: sh test/live/setup.sh"

cd "$here/../.."
# The test refuses to work in the network namespace that everybody uses.
OUTER_NETWORK=$(readlink /proc/self/ns/net)
export OUTER_NETWORK
# The shell mounts what the kernel's facts come through, then becomes the test.
# shellcheck disable=SC2016 # the inner shell expands it
exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc sh -euc '
  mount -t tracefs tracefs /sys/kernel/tracing
  exec npx vitest run --project live "$@"
' sh "$@"
