#!/bin/bash
# A real Loki for tests, with the sample's settings (deploy/loki/loki.yml) but for its ports and its place.
#   loki.sh install    build it once: about 8 minutes on a cold machine
#   loki.sh run DIR    build it if needed and become it, in the foreground, with its files below DIR
# LOKI_PORT (3100), LOKI_GRPC_PORT (9095), on 127.0.0.1. More arguments of run are Loki's.
# The program lies in PEERS_HOME/bin; delete it there to have it built again. Go 1.26 or newer is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${PEERS_HOME:-$HOME/.cache/gateway-peers}/bin/loki

install() {
  [ ! -x "$bin" ] || return 0
  command -v go >/dev/null || { echo "loki.sh: needs Go 1.26 or newer to build Loki" >&2; exit 1; }
  echo "loki.sh: building Loki" >&2
  mkdir -p "$(dirname "$bin")"
  (cd "$here/loki" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local \
    go build -trimpath -ldflags '-s -w' -o "$bin.new" github.com/grafana/loki/v3/cmd/loki)
  mv "$bin.new" "$bin"
}

run() {
  local dir=$1; shift
  # What begins with ingester, frontend and querier are waits of a cluster: ready in a second, not in fifteen.
  exec "$bin" -config.file="$here/../../deploy/loki/loki.yml" -log.level=warn -common.path-prefix="$dir" \
    -common.storage.filesystem.chunk-directory="$dir/chunks" -common.storage.filesystem.rules-directory="$dir/rules" \
    -server.http-listen-address=127.0.0.1 -server.http-listen-port="${LOKI_PORT:-3100}" \
    -server.grpc-listen-port="${LOKI_GRPC_PORT:-9095}" -memberlist.bind-addr=127.0.0.1 -memberlist.bind-port=0 \
    -ingester.min-ready-duration=0s -frontend.scheduler-dns-lookup-period=500ms \
    -querier.dns-lookup-period=500ms "$@"
}

case ${1:-} in
  install) install ;;
  run) install; shift; run "${1:?where its files shall be}" "${@:2}" ;;
  *) echo "loki.sh: install, or run DIR" >&2; exit 1 ;;
esac
