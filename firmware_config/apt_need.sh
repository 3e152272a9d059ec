#!/bin/sh
# Make sure that programs are there, from Debian's packages.
#
#   apt_need.sh COMMAND:PACKAGE...      an empty COMMAND: the package is missing for sure
#
# Installs what is missing where it may (root, or sudo without a password); else names the one command to type and
# exits with 1.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing=
for need in "$@"; do
    command=${need%%:*}
    if [ -z "$command" ] || ! command -v "$command" >/dev/null 2>&1; then
        missing="$missing ${need#*:}"
    fi
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "missing:$missing; type:  sudo apt-get install$missing" >&2
        exit 1
    fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing; there is no apt-get here: install it the way of this system" >&2
    exit 1
fi
echo "installing$missing" >&2
# Words are meant to be split.
# shellcheck disable=SC2086
{ $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
    { echo "could not install$missing; type:  sudo apt-get install$missing" >&2; exit 1; }
