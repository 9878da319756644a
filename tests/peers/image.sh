#!/bin/bash
# The image of the Dockerfile, built and run by Podman, where no registry can be reached: Debian's own Python stands in
# for the base images, under their names.
#   image.sh possible          whether this machine may run a container, tried with a base image
#   image.sh install           make the base images once: 2 minutes and 600 MB
#   image.sh build DIR         build the checkout's Dockerfile as it is, with what is built and run below DIR
#   image.sh podman DIR ...    Podman with what is there: the image is `api-gateway`
#   image.sh remove DIR        end its containers, unmount and delete everything
# The base images lie in PEERS_HOME/base-images; delete them there to have them made again. Needs root, and Debian's
# packages as apt's sources name them here. pip is told where packages are as pip is told here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
me=image.sh
# shellcheck source=common.sh
. "$here/common.sh"
root=$(cd "$here/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

[ "$(id -u)" = 0 ] || fail "needs root"

in_dockerfile() { sed -n "s/^ARG $1=//p" "$root/Dockerfile"; }
slim=$(in_dockerfile PYTHON)
full=$(in_dockerfile PYTHON_BUILD)
bases=$PEERS_HOME/base-images/${slim//[:\/]/-}

# Podman takes no more than 50 characters for this one.
runroot() { echo "/run/gateway-image-$(readlink -f "$1" | sha256sum | cut -c1-12)"; }

run_podman() {  # DIR ARGUMENTS...
  local dir=$1; shift
  TMPDIR=$dir/tmp CONTAINERS_CONF=$here/image/containers.conf CONTAINERS_REGISTRIES_CONF=/dev/null \
    podman --root "$dir/storage" --runroot "$(runroot "$dir")" --tmpdir "$dir/tmp" "$@"
}

remove() {  # DIR
  [ -d "$1" ] || return 0
  local run mounted id ids=
  if [ -d "$1/storage/libpod" ]; then
    ids=$(run_podman "$1" ps --all --quiet --no-trunc) || true
    run_podman "$1" rm --all --force --time 0 >/dev/null || true
  fi
  run=$(runroot "$1")
  findmnt --raw --noheadings --output TARGET |
    awk -v dir="$(readlink -f "$1")/" -v run="$run/" 'index($0, dir) == 1 || index($0, run) == 1' | sort -r |
    while read -r mounted; do umount "$mounted" || umount --lazy "$mounted"; done
  rm -rf --one-file-system "$1" "$run"
  for id in $ids; do  # Podman leaves the control groups of its containers
    find /sys/fs/cgroup -depth -type d -path "*$id*" -exec rmdir {} + 2>/dev/null || true
  done
}

import() {  # ROOT NAME: a folder as a base image with the environment of Python's
  tar -C "$1" -c . | run_podman "$work" import --quiet --change 'CMD ["python3"]' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' - "localhost/$2" >/dev/null
}

without_caches() { rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*; }

make_bases() {
  local suite=${slim##*-} mirror
  # shellcheck disable=SC2016  # apt expands them
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Component: main' |
    sed -n 1p)
  [ -n "$mirror" ] || fail "apt's sources here have no Debian"
  say "making base images of Debian's $suite"
  mkdir -p "${bases%/*}"
  work=$(mktemp -d "$bases.XXXXXX")
  trap 'remove "$work"' EXIT
  mkdir "$work/tmp"
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python-is-python3 \
    "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; fail "debootstrap failed"; }
  # Where this machine's settings of pip are mounted, so that a build leaves nothing of them behind.
  mkdir -p "$work/root/etc/xdg/pip"
  cp -a "$work/root" "$work/full"
  without_caches "$work/root"
  import "$work/root" "$slim"
  chroot "$work/full" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends gcc libc6-dev python3-dev' >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; fail "no compiler could be installed"; }
  without_caches "$work/full"
  import "$work/full" "$full"
  rm -rf "$work/storage/libpod"  # knows its folder by name
  mv --no-target-directory "$work/storage" "$bases" || [ -d "$bases" ]  # another made them meanwhile
}

install() {
  "$here/debian.sh" podman=podman runc=runc debootstrap=debootstrap >&2
  [ -d "$bases" ] || (make_bases)
}

possible() {
  [ "$(id -u)" = 0 ] && unshare --mount --fork mount -t tmpfs none /mnt || return 1
  (install) || return 1
  work=$(mktemp -d)
  trap 'remove "$work"' EXIT
  mkdir "$work/tmp"
  cp -a "$bases" "$work/storage"
  run_podman "$work" run --rm --network=host "localhost/$slim" true
}

pip_settings() {  # DIR: where pip finds packages on this machine, as a folder for /etc/xdg/pip
  local python=python3 certificates
  [ ! -x "$root/.venv/bin/python" ] || python=$root/.venv/bin/python
  mkdir "$1"
  {
    echo '[global]'
    # The environment's come first in this list, and win.
    "$python" -m pip config list | sed -nE \
      "s/^[^ ]+\.(index-url|extra-index-url|find-links|trusted-host|proxy|default-timeout|cert)='(.*)'$/\1 = \2/p" |
      awk -F ' = ' '!seen[$1]++'
  } >"$1/pip.conf"
  certificates=$(sed -n 's/^cert = //p' "$1/pip.conf")
  [ -z "$certificates" ] || cp "$certificates" "$1/certificates.pem"
  sed -i -e 's|^cert = .*|cert = /etc/xdg/pip/certificates.pem|' "$1/pip.conf"
}

build() {
  install
  mkdir -p "$1/tmp"
  cp -a "$bases" "$1/storage"
  pip_settings "$1/pip"
  run_podman "$1" build --isolation chroot --format docker --pull=never --layers=false \
    --volume "$1/pip:/etc/xdg/pip:ro" \
    --build-arg VERSION="$(sed -n 's/^VERSION = "\(.*\)"/\1/p' "$root/gateway/version.py")" \
    --build-arg REVISION="$(git -C "$root" rev-parse HEAD)" \
    --tag api-gateway "$root"
}

case ${1:-} in
  possible) possible ;;
  install) install ;;
  build) build "${2:?where its files shall be}" ;;
  podman) run_podman "${@:2}" ;;
  remove) remove "${2:?where its files are}" ;;
  *) fail "possible, install, build DIR, podman DIR ARGUMENTS... or remove DIR" ;;
esac
