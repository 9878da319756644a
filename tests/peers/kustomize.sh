#!/bin/bash
# kustomize, to build the overlays of deploy/kubernetes:
#   kustomize.sh install    build it once: some minutes
# The program lies in PEERS_HOME/bin; delete it there to have it built again. Go is needed.
set -euo pipefail
# 5.8 wants Go 1.27.
version=v5.7.1
bin=${PEERS_HOME:-$HOME/.cache/gateway-peers}/bin

[ "${1:-}" = install ] || { echo "kustomize.sh: install" >&2; exit 1; }
[ ! -x "$bin/kustomize" ] || exit 0
command -v go >/dev/null || { echo "kustomize.sh: needs Go to build kustomize" >&2; exit 1; }
echo "kustomize.sh: building kustomize" >&2
mkdir -p "$bin"
CGO_ENABLED=0 GOTOOLCHAIN=local GOBIN=$bin go install -trimpath -ldflags '-s -w' \
  "sigs.k8s.io/kustomize/kustomize/v5@$version"
