#!/bin/bash
# A real Jaeger for tests, with the sample's settings (deploy/jaeger/jaeger.env) but for its ports and its place.
#   jaeger.sh install    build it once: 4 to 5 minutes and 1.7 GB of Go's caches on a cold machine
#   jaeger.sh run DIR    build it if needed and become it, in the foreground, with its files below DIR
# JAEGER_OTLP_PORT (4318), JAEGER_THRIFT_PORT (14268), JAEGER_QUERY_PORT (16686), all on 127.0.0.1.
# The program lies in PEERS_HOME/bin; delete it there to have it built again. Go 1.26 or newer is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
me=jaeger.sh
# shellcheck source=common.sh
. "$here/common.sh"
bin=$PEERS_HOME/bin/jaeger

install() { go_install "$here/jaeger" github.com/jaegertracing/jaeger/cmd/all-in-one; }

run() {
  set -a
  # shellcheck source=/dev/null
  . "$here/../../deploy/jaeger/jaeger.env"
  BADGER_DIRECTORY_KEY=$1/keys BADGER_DIRECTORY_VALUE=$1/values
  exec "$bin" --log-level=warn \
    --collector.otlp.http.host-port="127.0.0.1:${JAEGER_OTLP_PORT:-4318}" \
    --collector.otlp.grpc.host-port=127.0.0.1:0 \
    --collector.http-server.host-port="127.0.0.1:${JAEGER_THRIFT_PORT:-14268}" \
    --collector.grpc-server.host-port=127.0.0.1:0 \
    --query.http-server.host-port="127.0.0.1:${JAEGER_QUERY_PORT:-16686}" \
    --query.grpc-server.host-port=127.0.0.1:0 \
    --admin.http.host-port=127.0.0.1:0
}

case ${1:-} in
  install) install ;;
  run) install; run "${2:?where its files shall be}" ;;
  *) fail "install, or run DIR" ;;
esac
