#!/bin/sh
# Gets what the test with a real API server needs beside Node, as test/e2e/setup.sh does for the end-to-end
# tests: etcd, kube-apiserver and kube-state-metrics, built from Go's module proxy, and a collector with the
# receivers of Kubernetes' objects (collector/builder.yaml). Fifteen minutes on two idle cores the first time,
# and 500 MB to run.
#
#   setup.sh          gets what is missing; one line per thing says what was done
#   setup.sh --where  changes nothing; prints `name=path` for each tool, without a path where it is missing
set -eu

kubernetes=1.36.3
etcd=3.6.6
state_metrics=2.18.0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mesh-insights
folder=$cache/kubernetes-$kubernetes-etcd-$etcd-state-metrics-$state_metrics
export COLLECTOR_SPEC="$here/collector/builder.yaml"

say() { echo "test:kubernetes:setup: $*"; }
fail() {
  echo "test:kubernetes:setup: $*" >&2
  exit 1
}

where() {
  sh "$here/../e2e/setup.sh" --where | grep '^collector='
  for name in etcd kube-apiserver kube-state-metrics; do
    if [ -x "$folder/$name" ]; then echo "$name=$folder/$name"; else echo "$name="; fi
  done
}

# Runs `make_$2` in a folder of its own; what it leaves there as `$1` is kept.
build() {
  if [ -x "$folder/$1" ]; then
    say "$1: up to date ($folder/$1)"
    return
  fi
  command -v go >/dev/null 2>&1 || fail "cannot build $1: no go on the PATH; install it from https://go.dev/dl"
  say "$1: building"
  started=$(date +%s)
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM
  if ! (set -e; cd "$work"; "make_$2") >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    fail "cannot build $1: see above; Go needs its module proxy ($(go env GOPROXY))"
  fi
  mv -f "$work/$1" "$folder/$1"
  say "$1: built in $(($(date +%s) - started)) s ($folder/$1)"
}

make_etcd() {
  go mod init etcd.local
  go get "go.etcd.io/etcd/server/v3@v$etcd"
  go build -trimpath -ldflags "-s -w" -o etcd go.etcd.io/etcd/server/v3
}

make_state_metrics() {
  go mod init state-metrics.local
  go get "k8s.io/kube-state-metrics/v2@v$state_metrics"
  go build -trimpath -ldflags "-s -w" -o kube-state-metrics k8s.io/kube-state-metrics/v2
}

# Kubernetes names its own parts by folders beside it, which exist in its repository only.
make_apiserver() {
  go mod init apiserver.local
  go mod edit -require="k8s.io/kubernetes@v$kubernetes"
  go mod download "k8s.io/kubernetes@v$kubernetes"
  source=$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$kubernetes.mod
  for part in $(sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging/.*|\1|p' "$source"); do
    go mod edit -replace="$part=$part@v0.${kubernetes#*.}"
  done
  printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
  go mod tidy
  base=k8s.io/component-base/version
  minor=${kubernetes#*.}
  version="-X $base.gitVersion=v$kubernetes -X $base.gitMajor=1 -X $base.gitMinor=${minor%.*}"
  go build -trimpath -ldflags "-s -w $version -X k8s.io/client-go/pkg/version.gitVersion=v$kubernetes" \
    -o kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
}

case ${1:-} in
  --where) where ;;
  '')
    export GOGC="${GOGC:-400}" CGO_ENABLED=0
    # In shells of their own, so that each cleans up behind itself.
    (build etcd etcd)
    (build kube-state-metrics state_metrics)
    (build kube-apiserver apiserver)
    sh "$here/../e2e/setup.sh" --collector
    ;;
  *) fail "unknown argument $1; see the head of $0" ;;
esac
