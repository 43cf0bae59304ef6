# shellcheck shell=bash
# Brings a Docker engine up where none answers. Sourced by machine.sh.

ENGINE_SUITE=forky # the Debian suite that carries Engine 28.5, Compose 2.40 and buildx
ENGINE_PACKAGES=(docker.io docker-cli containerd docker-compose docker-buildx)

engine_answers() { timeout 10 docker info >/dev/null 2>&1; }

# The host's own Debian mirror, so that nothing here names one.
debian_mirror() {
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null || true; } |
        sed -nE 's#^(URIs:|deb( \[.*\])?) +([^ ]+/debian)/?( .*)?$#\3#p' | sort -u | sed -n 1p
}

ensure_engine() {
    if engine_answers; then
        say "engine    $(docker version --format '{{.Server.Version}}'), already running"
        return
    fi
    if ! can_install_engine; then
        echo "machine: no Docker engine answers. Install one with Compose and buildx (https://docs.docker.com/engine/install/), start it, and run this again." >&2
        exit 3
    fi
    if ! command -v dockerd >/dev/null; then
        cat <<TEXT
No Docker engine answers. This machine is Debian and you are root, so Docker Engine, Compose
and buildx will be installed from Debian's $ENGINE_SUITE suite (pinned low: nothing else is
ever upgraded from it) and dockerd will be started, logging to
$CACHE/dockerd.log.
TEXT
        timed "engine    installed" install_engine
    fi
    # Where the package has started the service itself, there is nothing left to do.
    engine_answers || timed "engine    started" start_engine
}

can_install_engine() {
    [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}

install_engine() {
    # Without an init system the packages' own scripts must not start a daemon of theirs:
    # it would hold this script's output open.
    [ -d /run/systemd/system ] || export RUNLEVEL=1
    add_engine_suite && apt-get update &&
        install_packages "${ENGINE_PACKAGES[@]/%//$ENGINE_SUITE}" iptables
}

add_engine_suite() {
    cat >/etc/apt/sources.list.d/devenv-machine.sources <<SOURCES
Types: deb
URIs: $(debian_mirror)
Suites: $ENGINE_SUITE
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    # Below 100, where apt still prefers an installed package to a newer one of this suite.
    cat >/etc/apt/preferences.d/devenv-machine <<PIN
Package: *
Pin: release n=$ENGINE_SUITE
Pin-Priority: 90
PIN
}

install_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

runs() { grep -qsx "$1" /proc/[0-9]*/comm; }

start_engine() {
    if ! runs dockerd; then
        # Daemons that were killed leave their pid files, and dockerd goes by the bare number,
        # which may meanwhile be another process's.
        rm -f /var/run/docker.pid
        runs containerd || rm -f /var/run/docker/containerd/containerd.pid
        # A session of its own and no inherited descriptor: whoever reads this script's output
        # sees it end.
        (cd / && exec setsid --fork dockerd) </dev/null >>"$CACHE/dockerd.log" 2>&1 9>&-
    fi
    for _ in $(seq 60); do
        engine_answers && return
        sleep 0.5
    done
    tail -n 20 "$CACHE/dockerd.log"
    echo "dockerd did not answer within 30 s"
    return 1
}

# `die` is the caller's, who says what for.
ensure_go() {
    ! command -v go >/dev/null || return 0
    can_install_engine || die "Go is missing here; please install it, or run tests/machine/machine.sh first"
    { [ -e /etc/apt/sources.list.d/devenv-machine.sources ] || add_engine_suite; } && apt-get update &&
        install_packages "golang-go/$ENGINE_SUITE"
}
