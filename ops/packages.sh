# What `ops/test` and `ops/demo` both need to know: what is there, and how to get what is not. To be sourced.
# shellcheck shell=bash

me=ops/${0##*/}

say() { printf '%s: %s\n' "$me" "$*"; }
fail() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null; }

have_postgres() {
    local initdb
    for initdb in /usr/lib/postgresql/*/bin/initdb "$(readlink -f "$(command -v initdb)" || true)"; do
        if [[ -x $initdb && -x ${initdb%/*}/postgres ]]; then return; fi
    done
    return 1
}

have_browser() {
    local name
    for name in "${DRIFT_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [[ -n $name ]] && have "$name"; then return; fi
    done
    return 1
}

have_a_font() { compgen -G '/usr/share/fonts/*/*' >/dev/null; }

# Runs a command as root: as it is, or by sudo, asking first where somebody can answer.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif ! have sudo; then
        fail "this needs root, and there is no sudo: $*"
    else
        if [[ -t 0 && -z ${agreed:-} ]]; then
            read -rp "$me: use sudo to install them? [y/N] " agreed
            if [[ $agreed != [yY]* ]]; then fail 'nothing installed'; fi
        fi
        sudo "$@"
    fi
}

install_packages() {
    local packages=("$@")
    # While this file is there, Debian's package sets up no database cluster of its own.
    drop_in=/etc/postgresql-common/createcluster.d/no-cluster-for-drift-tests.conf
    have apt-get || fail "missing, and there is no apt-get: ${packages[*]}"
    say "missing, to be installed by apt-get: ${packages[*]}"
    as_root apt-get update -q
    if [[ " ${packages[*]} " == *' postgresql '* ]]; then
        as_root mkdir -p "${drop_in%/*}"
        as_root tee "$drop_in" <<<'create_main_cluster = false' >/dev/null
        trap 'as_root rm -f "$drop_in"' EXIT
    fi
    # Debian starts Dovecot when it installs it; the tests want the program only.
    local policy=/usr/sbin/policy-rc.d own_policy=
    if [[ " ${packages[*]} " == *' dovecot-imapd '* && ! -e $policy ]]; then
        own_policy=1
        as_root tee "$policy" <<<$'#!/bin/sh\nexit 101' >/dev/null
        as_root chmod +x "$policy"
    fi
    local installed=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}" || installed=$?
    if [[ -n $own_policy ]]; then
        as_root rm -f "$policy"
        if have systemctl; then as_root systemctl -q disable dovecot || true; fi
    fi
    if ((installed)); then fail "apt-get could not install them"; fi
    if [[ -e $drop_in ]]; then
        as_root rm -f "$drop_in"
        trap - EXIT
    fi
}
