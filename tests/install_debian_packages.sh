#!/bin/sh
# Installs the Debian packages that the tests drive isapy with; without root it names the command to type.
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "the tests need Debian packages; type: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing$missing ..."
apt-get update -qq >/dev/null || exit 1
# Images without documentation leave it out: the tests run the examples that lie there.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Options::="--path-include=/usr/share/doc/*" $missing >/dev/null || exit 1
