#!/bin/sh
# Installs what the lab needs from the machine's own Debian archive; does nothing if it is all there.
set -eu

packages="systemd-container debootstrap iproute2 nftables"

missing=
for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "lab: missing:$missing, and there is no apt-get here to install them with" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "lab: missing:$missing; run as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi

echo "lab: installing$missing"
# shellcheck disable=SC2086 # words are wanted
$sudo env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get -qq update && apt-get -qq -y --no-install-recommends install "$@" >/dev/null
' sh $missing
