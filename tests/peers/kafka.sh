#!/bin/bash
# Apache Kafka for tests: one broker that is its own controller (KRaft), on 127.0.0.1.
#   kafka.sh install VERSION...        install only
#   kafka.sh start VERSION PORT DIR    install if needed, start on PORT (its controller on PORT+1), wait until it takes
#                                      clients; prints "ready pid=<pid> seconds=<s>". The data are in DIR and stay: a
#                                      broker that was killed goes on with them. Its log is DIR/kafka.log
# The jars come from Maven Central once, into PEERS_HOME/kafka; after that no network is needed. A broker is ended by its
# pid, which is in DIR/pid too.
#   KAFKA_EXTRA (more lines of server.properties, which win), KAFKA_HEAP (256m), JAVA_HOME
# Java 17 or newer and Maven are needed: on Debian, as root, they are installed when missing.
set -euo pipefail
me=kafka.sh
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
HOME_OF_JARS=$PEERS_HOME/kafka
# One compiler stage and the serial collector: half the time to start.
OPTIONS=(-Xms64m "-Xmx${KAFKA_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.awt.headless=true
  -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)

need_tools() {  # VERSION: Maven only where its jars are not here yet
  local missing=()
  [ -e "$HOME_OF_JARS/libs-$1/.ok" ] || command -v mvn >/dev/null || missing+=(maven)
  need_java "${missing[@]}"
}

properties() {  # PORT DATA
  cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(($1 + 1))
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$(($1 + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$1
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$2
num.partitions=6
auto.create.topics.enable=true
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.cleaner.dedupe.buffer.size=2097152
${KAFKA_EXTRA:-}
CONF
}

install() {  # VERSION; and formats a folder of it once, of which every new DIR gets a copy: no path is in there
  local libs=$HOME_OF_JARS/libs-$1 work
  need_tools "$1"
  if [ ! -e "$libs/.ok" ]; then
    say "fetching Kafka $1 with Maven"
    work=$(mktemp -d)
    cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$1</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
    rm -rf "$libs"
    mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$libs" >&2
    rm -rf "$work"
    touch "$libs/.ok"
  fi
  if [ ! -e "$libs/.formatted/meta.properties" ]; then
    rm -rf "$libs/.formatted"
    KAFKA_EXTRA='' properties 9092 "$libs/.formatted" >"$libs/.format.properties"
    "$JAVA_HOME/bin/java" "${OPTIONS[@]}" -cp "$libs/*" kafka.tools.StorageTool format \
      -t AAAAAAAAQACAAAAAAAAAAQ -c "$libs/.format.properties" >&2
  fi
}

open_port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {  # VERSION PORT DIR
  local libs=$HOME_OF_JARS/libs-$1 port=$2 dir pid began
  dir=$(realpath -m "$3")
  mkdir -p "$dir"
  if [ -e "$dir/pid" ] && alive "$(cat "$dir/pid")"; then fail "runs already: $(cat "$dir/pid")"; fi
  ! open_port "$port" || fail "port $port is in use"
  properties "$port" "$dir/data" >"$dir/server.properties"
  if [ ! -e "$dir/data/meta.properties" ]; then
    mkdir -p "$dir/data"
    cp -r "$libs/.formatted/." "$dir/data/"
  fi
  began=$(date +%s.%N)
  setsid nohup "$JAVA_HOME/bin/java" "${OPTIONS[@]}" -cp "$libs/*" kafka.Kafka "$dir/server.properties" \
    >>"$dir/kafka.log" 2>&1 </dev/null &
  pid=$!
  echo $pid >"$dir/pid"
  # The listener opens only when the broker is ready to take messages.
  for _ in $(seq 1800); do
    alive $pid || { tail -20 "$dir/kafka.log" >&2; fail "the broker died, see $dir/kafka.log"; }
    if open_port "$port"; then
      echo "ready pid=$pid seconds=$(seconds_since "$began")"
      return 0
    fi
    sleep 0.05
  done
  tail -20 "$dir/kafka.log" >&2
  fail "not ready after 90 s"
}

case ${1:-} in
  install) shift; for version in "$@"; do install "$version"; done ;;
  start) install "$2"; start "$2" "$3" "$4" ;;
  *) fail "install VERSION..., or start VERSION PORT DIR" ;;
esac
