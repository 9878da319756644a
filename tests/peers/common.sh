# What the scripts here share; sourced by them, with `me` set to the script's name.
# shellcheck shell=bash
PEERS_HOME=${PEERS_HOME:-$HOME/.cache/gateway-peers}

say() { echo "$me: $*" >&2; }
fail() { say "$*"; exit 1; }

has_java() {  # sets JAVA_HOME to a Java of 17 or newer
  local home major
  for home in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")" /usr/lib/jvm/*; do
    [ -x "$home/bin/java" ] || continue
    major=$("$home/bin/java" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
    if [ "${major:-0}" -ge 17 ]; then export JAVA_HOME=$home; return 0; fi
  done
  return 1
}

need_packages() {  # PACKAGE...: installs them where that may be done (Debian, as root)
  [ $# -gt 0 ] || return 0
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || fail "needs Debian's $*, or the like"
  say "installing $*"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_java() {  # PACKAGE...: Java 17 or newer, and these
  local missing=("$@")
  has_java || missing+=(openjdk-17-jre-headless)
  need_packages "${missing[@]}"
  has_java || fail "no Java 17 or newer after installing ${missing[*]}"
}

alive() {  # one that has ended and that nobody reaps still answers kill -0
  case "$(ps -o stat= -p "$1" 2>/dev/null)" in "" | Z*) return 1 ;; esac
}

seconds_since() {  # a time of `date +%s.%N`
  awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'
}

go_install() {  # MODULE-FOLDER PACKAGE: builds it once into PEERS_HOME/bin, under the folder's name; needs Go 1.26
  local bin=$PEERS_HOME/bin/${1##*/}
  [ ! -x "$bin" ] || return 0
  command -v go >/dev/null || fail "needs Go 1.26 or newer to build ${1##*/}"
  say "building ${1##*/}"
  mkdir -p "${bin%/*}"
  (cd "$1" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local \
    go build -trimpath -ldflags '-s -w' -o "$bin.new" "$2")
  mv "$bin.new" "$bin"
}
