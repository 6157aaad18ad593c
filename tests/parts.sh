#!/bin/sh
# The tests drive real parts: Chromium, nginx, PHP and PostgreSQL. Installs what is missing where that is possible,
# else says exactly what to install.
set -eu

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v php >/dev/null || missing="$missing php-cli"
if [ -z "${POORT_TEST_POSTGRES_URL:-}" ]; then
    command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi
# The same Chromium without the windows around it, which asks a third of the work. Debian has it, others may not.
quicker=""
command -v chromium-headless-shell >/dev/null || quicker="chromium-headless-shell"
[ -n "$missing$quicker" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing $quicker"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || [ -z "$missing" ]
    [ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing >/dev/null
    [ -z "$quicker" ] || apt-get install -y -qq --no-install-recommends $quicker >/dev/null 2>&1 ||
        echo "There is no $quicker here: the browser tests take longer, with chromium."
    exit 0
fi
[ -n "$missing" ] || exit 0
echo "The tests need real parts that are not here. On Debian or Ubuntu: sudo apt-get install$missing" >&2
exit 1
