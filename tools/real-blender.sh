#!/usr/bin/env bash
# A real Blender with a window, on a machine that has no screen: Debian's own, in a folder of its own.
# SUITE=trixie (default) is Blender 4.3 with Python 3.13; SUITE=sid the newest, 5.2 LTS with Python 3.14 when written.
#
#   tools/real-blender.sh setup            two minutes, once a machine; needs root and apt
#   tools/real-blender.sh run ARG...       blender ARG... (with --background)
#   tools/real-blender.sh window ARG...    blender ARG... in a 1600x900 window on a screen that nobody sees, which
#                                          `import -window root FILE` photographs; ends when Blender does, or after
#                                          SECONDS_LIMIT (600) with exit code 124
#
# The current directory and the folders in BIND (separated by colons) are visible inside under their own paths.
set -euo pipefail
suite=${SUITE:-trixie}
root=${REAL_BLENDER_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/real-blender}/$suite
packages="blender python3 python3-numpy python3-requests python3-cattr xvfb xdotool x11-utils imagemagick libgl1-mesa-dri libegl1"

setup() {
  [[ $(cat "$root/.packages" 2>/dev/null) == "$packages" ]] && { echo "ready: $root"; return; }
  command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -y -q debootstrap; } >/dev/null
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  [[ -n $mirror ]] || mirror=$(awk '/^deb / {print $2; exit}' /etc/apt/sources.list)
  if [[ ! -x $root/usr/bin/apt-get ]]; then
    rm -rf "$root" && mkdir -p "$root" && debootstrap --variant=minbase "$suite" "$root" "$mirror" >/dev/null
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  fi
  enter bash -c 'apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/var/log/real-blender 2>&1 ||
      { tail -20 /var/log/real-blender; exit 1; }' - $packages
  echo "$packages" >"$root/.packages"
  echo "ready: $root"
}

enter() { # run a command inside; the mounts are private to it and end with it
  cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
  unshare --mount bash -c '
    root=$1 bind=$2 && shift 2
    IFS=: read -ra folders <<<"/proc:/dev:$PWD:$bind"
    for folder in "${folders[@]}"; do
      [[ -n $folder ]] || continue
      mkdir -p "$root$folder" && mount --rbind "$folder" "$root$folder"
    done
    exec chroot "$root" env -u PYTHONPATH -u VIRTUAL_ENV HOME=/root LANG=C.UTF-8 LIBGL_ALWAYS_SOFTWARE=1 \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c '\''cd "$0" && exec "$@"'\'' "$PWD" "$@"
  ' - "$root" "${BIND:-}" "$@"
}

window() {
  enter bash -c '
    seconds=$1 && shift
    screen=$(mktemp -d) && exec 6>"$screen/number"
    Xvfb -displayfd 6 -screen 0 1600x900x24 -nolisten tcp >/dev/null 2>&1 & server=$!
    trap "kill $server 2>/dev/null; rm -rf $screen" EXIT
    for _ in {1..100}; do [[ -s $screen/number ]] && break; sleep 0.1; done
    export DISPLAY=:$(cat "$screen/number")
    timeout --kill-after=10 "$seconds" blender --window-geometry 0 0 1600 900 "$@"' - "${SECONDS_LIMIT:-600}" "$@"
}

case ${1:-} in
  setup) setup ;;
  run) shift; setup >/dev/null; enter blender "$@" ;;
  window) shift; setup >/dev/null; window "$@" ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
