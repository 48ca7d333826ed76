#!/bin/sh
# Installs the servers that the tests need (rabbitmq-server, redis-server, postgresql) from Debian's or Ubuntu's packages.
# Does nothing when a Docker engine answers or all servers are here. The packages' own system services
# are kept from starting: the tests start private servers on free ports.
set -eu

say() { printf '%s\n' "install.sh: $*" >&2; }

rabbitmq_here() {
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server \
        /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server /usr/local/opt/rabbitmq/sbin/rabbitmq-server >/dev/null 2>&1
}

postgresql_here() {
    command -v psql >/dev/null 2>&1 || return 1
    ls /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb /usr/local/opt/postgresql@*/bin/initdb \
        2>/dev/null | grep -q . || command -v initdb >/dev/null 2>&1
}

packages=
rabbitmq_here && command -v epmd >/dev/null 2>&1 || packages="$packages rabbitmq-server"
command -v redis-server >/dev/null 2>&1 || packages="$packages redis-server"
postgresql_here || packages="$packages postgresql"
[ -n "$packages" ] || exit 0

if [ "${AMIBUS_TEST_SERVICES:-}" != processes ] && command -v docker >/dev/null 2>&1 &&
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    say "the tests need$packages (or a Docker engine), and this machine has no apt-get: install them by hand."
    exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null && ! [ -t 0 ]; then
        say "installing$packages needs root: run this script as root, or with a sudo that asks no password."
        exit 1
    fi
    as_root=sudo
fi

# Debian's way to say that no service may start: exit code 101 of policy-rc.d. One that is there already stays.
policy=/usr/sbin/policy-rc.d
made_policy=
drop_policy() { [ -z "$made_policy" ] || $as_root rm -f "$policy"; }
trap drop_policy EXIT
trap 'exit 130' INT TERM HUP
if ! [ -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

say "installing$packages"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying the lists that are here."
# shellcheck disable=SC2086
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; then
    say "apt-get could not install$packages (see above)."
    exit 1
fi
