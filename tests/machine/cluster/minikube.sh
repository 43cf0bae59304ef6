# shellcheck shell=bash
# The Minikube profile the tests run on. Sourced by cluster.sh.

# Minikube reads every flag of `start` from this file too, under the flag's own name; a flag on the
# command line wins. So `minikube start -p NAME` works here and whoever calls it knows nothing of it.
write_config() {
    mkdir -p "$MINIKUBE_DIR/config"
    cat >"$MINIKUBE_DIR/config/config.json" <<JSON
{
    "WantUpdateNotification": false,
    "driver": "docker",
    "base-image": "$NODE_IMAGE",
    "container-runtime": "containerd",
    "cni": "bridge",
    "kubernetes-version": "$KUBERNETES",
    "force": true
}
JSON
}

export_ours() {
    export MINIKUBE_HOME=$MADE/home KUBECONFIG=$MADE/kubeconfig PATH=$BIN:$PATH
}

# print_env PROFILE: what to export, to be on it
print_env() {
    if users_minikube; then
        # Nothing but this profile: the tests must not meet the cluster that somebody's kubeconfig is on.
        kubectl config view --minify --flatten --context "$1" >"$MADE/kubeconfig.own"
        printf 'export KUBECONFIG=%q\n' "$MADE/kubeconfig.own"
        return
    fi
    [ -x "$BIN/minikube" ] || die "nothing is built yet: run tests/machine/cluster.sh"
    printf 'export %s\n' "MINIKUBE_HOME='$MADE/home'" "KUBECONFIG='$MADE/kubeconfig'" "PATH='$BIN':\"\$PATH\""
}

minikube_up() {
    users_minikube || export_ours
    if minikube status -p "$1" >/dev/null 2>&1; then
        say "profile   $1 is running"
    else
        timed "profile   $1 started" start_profile "$1"
    fi
}

start_profile() {
    if users_minikube; then
        minikube start -p "$1" --keep-context
    else
        # A profile that does not start any more, as one whose network was pruned, is made anew. It returns when
        # the system's pods run, which is before names resolve.
        { minikube start -p "$1" || { minikube delete -p "$1" && minikube start -p "$1"; }; } &&
            names_resolve --context "$1"
    fi
}

# names_resolve KUBECTL-OPTION...
names_resolve() {
    PATH=$BIN:$PATH kubectl "$@" -n kube-system rollout status deployment/coredns --timeout=120s
}

minikube_do() {
    users_minikube || export_ours
    minikube "$1" -p "$2" >&2
}
