#!/usr/bin/env bash
# The system packages that the environment needs: those that the bpy wheel links to, and what makes environments. A
# desktop has them; a bare Debian machine gets them from apt here. With the word `browser` also Chromium, for tests of pages.
set -euo pipefail
[[ $(uname -s) == Linux ]] || exit 0
python=${PYTHON:-python3.11}
declare -A package=([libX11.so.6]=libx11-6 [libXrender.so.1]=libxrender1 [libXfixes.so.3]=libxfixes3 [libXi.so.6]=libxi6
  [libXxf86vm.so.1]=libxxf86vm1 [libxkbcommon.so.0]=libxkbcommon0 [libSM.so.6]=libsm6 [libGL.so.1]=libgl1 [libEGL.so.1]=libegl1)
known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
missing=()
for library in "${!package[@]}"; do
  grep -q "$library" <<<"$known" || missing+=("${package[$library]}")
done
command -v "$python" >/dev/null || missing+=("$python")
"$python" -c "import ensurepip, venv" 2>/dev/null || missing+=("$python-venv")
if [[ ${1:-} == browser ]]; then
  command -v chromium >/dev/null || missing+=(chromium)
  command -v chromedriver >/dev/null || missing+=(chromium-driver)
fi
[[ ${#missing[@]} -eq 0 ]] && exit 0
install="apt-get install -y --no-install-recommends ${missing[*]}"
if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  apt-get update -q && DEBIAN_FRONTEND=noninteractive $install
else
  echo "Sabi needs packages that this machine lacks. Please run: sudo $install" >&2
  exit 1
fi
