#!/usr/bin/env bash
# Installs by apt what a fresh Debian lacks: a virtual environment, bubblewrap, git.
set -euo pipefail

missing=()
command -v git >/dev/null || missing+=(git)
command -v bwrap >/dev/null || missing+=(bubblewrap)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "Please install: ${missing[*]} (this is no Debian, so it is left to you)." >&2
  exit 1
fi
sudo=()
if [[ $(id -u) -ne 0 ]]; then sudo=(sudo); fi
echo "Installing ${missing[*]} by apt"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
