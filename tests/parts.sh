#!/bin/sh
# The tests drive real parts: Chromium, nginx and PostgreSQL. Installs what is missing where that is possible,
# else says exactly what to install.
set -eu

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
if [ -z "${POORT_TEST_POSTGRES_URL:-}" ]; then
    command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "The tests need real parts that are not here. On Debian or Ubuntu: sudo apt-get install$missing" >&2
exit 1
