#!/bin/sh
# Gets what the end-to-end tests need beside Node: an OpenTelemetry Collector, built from
# collector/builder.yaml, and Prometheus, Alertmanager and strace from the distribution's packages.
#
#   setup.sh          gets what is missing; one line per thing says what was done
#   setup.sh --where  changes nothing; prints `name=path` for each tool, without a path where it is missing
#   setup.sh --collector  builds the collector only; of another builder file where COLLECTOR_SPEC names one
#
# May be run again at any time. The collector is kept in the user's cache folder, by builder file, Go
# release and builder release; Go's own caches make a second build quick.
set -eu

ocb=v0.159.0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
spec=${COLLECTOR_SPEC:-$here/collector/builder.yaml}
binary_name=$(sed -n 's/^  name: *//p' "$spec")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mesh-insights
packages="prometheus prometheus-alertmanager strace"

say() { echo "test:setup: $*"; }
fail() {
  echo "test:setup: $*" >&2
  exit 1
}

# The first of these commands that exists; nothing when none does.
first_of() {
  for name in "$@"; do
    if command -v "$name" 2>/dev/null; then return; fi
  done
}

# Where the collector belongs; nothing without Go, whose release is part of the name.
collector_path() {
  command -v go >/dev/null 2>&1 || return 0
  hash=$({ cat "$spec"; go env GOVERSION; echo "$ocb"; } | sha256sum | cut -c 1-16)
  echo "$cache/collector-$hash/$binary_name"
}

where() {
  collector=$(collector_path)
  if [ ! -x "$collector" ]; then collector=; fi
  echo "collector=$collector"
  echo "prometheus=$(first_of prometheus)"
  echo "promtool=$(first_of promtool)"
  # Debian's name, and everybody else's.
  echo "alertmanager=$(first_of prometheus-alertmanager alertmanager)"
  echo "amtool=$(first_of amtool)"
  echo "strace=$(first_of strace)"
}

build_collector() {
  command -v go >/dev/null 2>&1 ||
    fail "cannot build the collector: no go on the PATH; install Go 1.25 or newer from https://go.dev/dl"
  binary=$(collector_path)
  if [ -x "$binary" ]; then
    say "collector: up to date ($binary)"
    return
  fi
  say "collector: building, which takes some minutes the first time"
  started=$(date +%s)
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM
  # The file names no folder, so that it is the same on every machine.
  sed "s|^dist:|dist:\\n  output_path: $work/source|" "$spec" >"$work/builder.yaml"
  # The compiler is many short programs: collecting their garbage less often saves a tenth of the time.
  export GOGC="${GOGC:-400}" CGO_ENABLED=0 GOBIN="$work"
  if ! {
    go install "go.opentelemetry.io/collector/cmd/builder@$ocb" &&
      "$work/builder" --config "$work/builder.yaml"
  } >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    fail "cannot build the collector: see above; Go needs its module proxy ($(go env GOPROXY))"
  fi
  mkdir -p "$(dirname "$binary")"
  mv -f "$work/source/$binary_name" "$binary"
  megabytes=$(($(wc -c <"$binary") / 1048576))
  say "collector: built in $(($(date +%s) - started)) s, $megabytes MiB ($binary)"
}

install_packages() {
  if ! where | grep -v '^collector=' | grep -q '=$'; then
    say "prometheus, alertmanager, strace: there ($(first_of prometheus), $(first_of prometheus-alertmanager alertmanager))"
    return
  fi
  missing=$(where | grep -v '^collector=' | sed -n 's/=$//p' | tr '\n' ' ')
  sh "$here/../support/install-packages.sh" test:setup "$missing" "$packages"
}

case ${1:-} in
  --where) where ;;
  --collector) build_collector ;;
  '')
    # In shells of their own, so that each cleans up behind itself.
    (install_packages)
    (build_collector)
    ;;
  *) fail "unknown argument $1; see the head of $0" ;;
esac
