#!/bin/sh
# Puts promtool, which checks the alert rules, beside the other tools: .venv/bin. It comes out of Debian's package prometheus,
# which is not installed: that would start a server. Does nothing where promtool is there; without it the tests go on.
set -eu
cd "$(dirname "$0")/.."

unchecked() {
    echo "promtool: it is missing, and $1: the alert rules stay unchecked" >&2
    exit 0
}

tool=.venv/bin/promtool
if [ -x "$tool" ] || command -v promtool >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || unchecked "there is no apt-get here to fetch it with"

echo "promtool: taking it out of Debian's package prometheus (19 MB)"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # apt fetches as a user of its own
fetch() (cd "$folder" && apt-get -q -q -o APT::Sandbox::User=root download prometheus)
if ! fetch 2>/dev/null; then
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo='sudo -n'
    { $sudo apt-get -q -q update && fetch; } || unchecked "apt-get cannot fetch it"
fi
dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool
install -m 755 "$folder/usr/bin/promtool" "$tool"
