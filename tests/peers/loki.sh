#!/bin/bash
# A real Loki for tests, with the sample's settings (deploy/loki/loki.yml) but for its ports and its place.
#   loki.sh install    build it once: about 8 minutes on a cold machine
#   loki.sh run DIR    build it if needed and become it, in the foreground, with its files below DIR
# LOKI_PORT (3100), LOKI_GRPC_PORT (9095), on 127.0.0.1. More arguments of run are Loki's.
# The program lies in PEERS_HOME/bin; delete it there to have it built again. Go 1.26 or newer is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
me=loki.sh
# shellcheck source=common.sh
. "$here/common.sh"
bin=$PEERS_HOME/bin/loki

install() { go_install "$here/loki" github.com/grafana/loki/v3/cmd/loki; }

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
  *) fail "install, or run DIR" ;;
esac
