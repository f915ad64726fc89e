# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# shellcheck shell=bash
# Where things are, for every script of the project. To be sourced; needs bash.

umask 022
export HOME="${HOME:-$(cd ~ && pwd)}"

POSTMASTER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
if [ -z "${POSTMASTER_CACHE:-}" ]; then
    if [ "$(id -u)" = 0 ]; then
        POSTMASTER_CACHE=/var/cache/postmaster-secure-channel
    else
        POSTMASTER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/postmaster-secure-channel
    fi
fi
POSTMASTER_VENV=$POSTMASTER_CACHE/venv
# All checkouts on a machine share the cache. What belongs to this one has a directory of its own in there.
POSTMASTER_ID=$(printf '%s' "$POSTMASTER_ROOT" | cksum | cut -d ' ' -f 1)
POSTMASTER_WORK=$POSTMASTER_CACHE/work/$POSTMASTER_ID
export POSTMASTER_ROOT POSTMASTER_CACHE POSTMASTER_VENV POSTMASTER_ID POSTMASTER_WORK

# Only the system's programs and ours: shims of Python version managers break ansible-test.
export PATH=$POSTMASTER_VENV/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Output is kept in files.
export NO_COLOR=1
# Ansible refuses to start without UTF-8.
export LC_ALL=C.UTF-8
# Nothing that programs keep for themselves lands in the checkout or in the home directory.
export XDG_CACHE_HOME=$POSTMASTER_CACHE/xdg
export PYTHONPYCACHEPREFIX=$POSTMASTER_WORK/pycache
# Some machines forbid Python to keep what it compiles. Then each start of Ansible takes three times as long.
unset PYTHONDONTWRITEBYTECODE
export ANSIBLE_HOME=$POSTMASTER_WORK/ansible
export MYPY_CACHE_DIR=$POSTMASTER_WORK/mypy
export RUFF_CACHE_DIR=$POSTMASTER_WORK/ruff
export HYPOTHESIS_STORAGE_DIRECTORY=$POSTMASTER_WORK/hypothesis
export PYTEST_ADDOPTS="-o cache_dir=$POSTMASTER_WORK/pytest"
# Kept by tests/qa/deps where installing packages has replaced the machine's own list of certificate authorities.
if [ -s "$POSTMASTER_CACHE/ca-bundle.pem" ]; then
    export PIP_CERT=$POSTMASTER_CACHE/ca-bundle.pem
    export REQUESTS_CA_BUNDLE=$PIP_CERT SSL_CERT_FILE=$PIP_CERT
fi

# Ansible, molecule and pytest find the collection through a tree that holds a link to this checkout.
export ANSIBLE_COLLECTIONS_PATH=$POSTMASTER_WORK/collections
if [ ! -L "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/postmaster/secure_channel" ]; then
    mkdir -p "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/postmaster"
    ln -sfn "$POSTMASTER_ROOT" "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/postmaster/secure_channel"
    # The sign by which `make clean` and backup programs know a cache.
    printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' '# A cache. See https://bford.info/cachedir/' \
        > "$POSTMASTER_CACHE/CACHEDIR.TAG"
fi

# all_but_named DIRECTORY OPTION... : the tests to run: those of the directory, unless an option names some already.
all_but_named() {
    local directory=$1 option
    shift
    for option; do
        case $option in tests/*) return ;; esac
    done
    echo "$directory"
}

# private_home DIRECTORY : use it as home directory, for programs that do not take a hint. Some of them hand nothing of
# the environment on to pip, so the index and the certificates that pip is to use are written down there.
private_home() {
    local settings
    settings=$(pip config list)
    export HOME=$1
    mkdir -p "$HOME/.config/pip"
    {
        printf '%s\n' '[global]' 'quiet = 2'
        sed -n "s/^[^.]*\.\([a-z-]*\)='\(.*\)'\$/\1 = \2/p" <<<"$settings" | sed 's/\\n/ /g' | sort -u -t ' ' -k 1,1
    } > "$HOME/.config/pip/pip.conf"
}
