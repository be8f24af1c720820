#!/bin/sh
# Installs Debian's packages for a set-up of tests, without starting their services.
#
#   install-packages.sh <who asks> <what is missing> <packages>
#
# Exits with 1 and says what to do where it cannot.
set -eu

label=$1 missing=$2 packages=$3

fail() {
  echo "$label: $*" >&2
  exit 1
}

command -v apt-get >/dev/null 2>&1 || fail "missing: $missing; no apt-get here: put them on the PATH"
[ "$(id -u)" = 0 ] ||
  fail "missing: $missing; to install them run as root: apt-get install --no-install-recommends $packages"
log=$(mktemp)
# The tests start programs of their own: no service may be started by the installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086 # the list is meant to be split
if ! {
  apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
} >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  fail "cannot install $packages: see above, and $log"
fi
rm -f "$log"
echo "$label: installed $packages; services are not started"
