#!/bin/bash
# A real Keycloak for tests.
#   keycloak.sh [start]    install if needed, restore the realm as it was imported, start, wait until it answers;
#                          prints "ready pid=<pid> url=<url> seconds=<s>"
#   keycloak.sh resume     start again with the data as they were left
#   keycloak.sh install    install only
#   keycloak.sh stop       end the server that this script started
# Everything lies under KC_BASE, which serves one server at a time; once it is filled no network is needed.
#   KC_PORT, KC_REALM_FILE, KC_EXTRA (more arguments of kc.sh), KC_VERSION, JAVA_HOME
# Java 17 or newer, Maven and curl are needed: on Debian, as root, they are installed when missing.
set -euo pipefail
me=keycloak.sh
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
KC_VERSION=${KC_VERSION:-26.7.3}
KC_SHA256=${KC_SHA256-77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47}  # of 26.7.3; empty: unchecked
KC_BASE=${KC_BASE:-$PEERS_HOME/keycloak}
KC_PORT=${KC_PORT:-18090}
KC_REALM=ai-video-interview
KC_REALM_FILE=${KC_REALM_FILE:-$(cd "$(dirname "$0")/../../deploy/keycloak" && pwd)/realm.json}
KC_EXTRA=${KC_EXTRA:---hostname-strict=false}
export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin
# Without this the build waits 10 s for a system bus where there is none.
export DBUS_SYSTEM_BUS_ADDRESS=none:
# One compiler stage and the serial collector: a third of the time to start, and of the memory.
export JAVA_OPTS_KC_HEAP=${JAVA_OPTS_KC_HEAP:-"-Xms64m -Xmx384m"}
export JAVA_OPTS_APPEND=${JAVA_OPTS_APPEND:-"-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"}

DIST=$KC_BASE/keycloak-$KC_VERSION
PIDFILE=$KC_BASE/pid
LOG=$KC_BASE/log
URL=http://127.0.0.1:$KC_PORT

need_tools() {
  local missing=()
  command -v curl >/dev/null || missing+=(curl)
  [ -x "$DIST/bin/kc.sh" ] || command -v mvn >/dev/null || missing+=(maven)
  need_java "${missing[@]}"
}

stop() {  # kc.sh hands TERM to its Java
  [ -f "$PIDFILE" ] || return 0
  local pid; pid=$(cat "$PIDFILE")
  if alive "$pid"; then
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 150); do alive "$pid" || break; sleep 0.1; done
    if alive "$pid"; then pkill -KILL -P "$pid" || true; kill -KILL "$pid" || true; fi
  fi
  rm -f "$PIDFILE"
}

launch() {
  # shellcheck disable=SC2086  # KC_EXTRA is a list of arguments
  setsid nohup "$DIST/bin/kc.sh" start --optimized --cache=local --log-level=warn \
    --http-enabled=true --http-host=127.0.0.1 --http-port="$KC_PORT" $KC_EXTRA "$@" >"$LOG" 2>&1 </dev/null &
  echo $! >"$PIDFILE"
}

wait_ready() {
  for _ in $(seq 1500); do
    curl -fs --noproxy '*' -o /dev/null --max-time 5 "$URL/realms/$KC_REALM/.well-known/openid-configuration" && return 0
    alive "$(cat "$PIDFILE")" || { tail -20 "$LOG" >&2; fail "Keycloak died"; }
    sleep 0.1
  done
  tail -20 "$LOG" >&2; fail "Keycloak does not answer on $URL after 150 s"
}

install() {
  local archive=$KC_BASE/download/keycloak-quarkus-dist-$KC_VERSION.tar.gz
  if [ ! -x "$DIST/bin/kc.sh" ]; then
    say "fetching Keycloak $KC_VERSION with Maven"
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      -Dartifact="org.keycloak:keycloak-quarkus-dist:$KC_VERSION:tar.gz" -DoutputDirectory="$(dirname "$archive")" >&2
    [ -z "$KC_SHA256" ] || echo "$KC_SHA256  $archive" | sha256sum --check --quiet - >&2
    rm -rf "$DIST.part"; mkdir "$DIST.part"
    tar xzf "$archive" -C "$DIST.part" --strip-components=1
    rm -rf "$DIST"; mv "$DIST.part" "$DIST"; rm -f "$archive"
  fi
  if [ ! -f "$DIST/.built" ]; then
    say "building it"
    "$DIST/bin/kc.sh" build --db=dev-file >"$LOG" 2>&1 || { cat "$LOG" >&2; fail "the build failed"; }
    touch "$DIST/.built"
  fi
}

import_realm() {  # once per content of the realm file
  SNAPSHOT=$KC_BASE/snapshot-$KC_VERSION-$(sha256sum "$KC_REALM_FILE" | cut -c1-16)
  [ ! -d "$SNAPSHOT" ] || return 0
  say "importing $KC_REALM_FILE"
  stop
  rm -rf "$DIST/data"; mkdir -p "$DIST/data/import"; cp "$KC_REALM_FILE" "$DIST/data/import/realm.json"
  launch --import-realm; wait_ready; stop
  rm -rf "$DIST/data/import" "$SNAPSHOT.part"
  cp -a "$DIST/data/h2" "$SNAPSHOT.part"; mv "$SNAPSHOT.part" "$SNAPSHOT"
}

case ${1:-start} in
  stop) stop ;;
  install | start | resume)
    mkdir -p "$KC_BASE"
    need_tools; install
    [ "${1:-start}" != install ] || exit 0
    import_realm
    began=$(date +%s.%N)
    stop
    if [ "${1:-start}" = start ]; then
      rm -rf "$DIST/data/h2"; mkdir -p "$DIST/data"; cp -a "$SNAPSHOT" "$DIST/data/h2"
    fi
    launch; wait_ready
    echo "ready pid=$(cat "$PIDFILE") url=$URL seconds=$(seconds_since "$began")"
    ;;
  *) fail "start, resume, install or stop, not: $1" ;;
esac
