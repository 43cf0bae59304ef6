# shellcheck shell=bash
# Clusters of one container, for tests that need just any context. Sourced by cluster.sh.

kubeadm_up() {
    local name=$1 port=$2 config=$MADE/kubeconfig.$1
    if [ "$(docker inspect -f '{{.State.Running}}' "$name" 2>/dev/null)" != true ]; then
        kubeadm_down "$name"
        timed "cluster   $name" start_kubeadm "$name" "$port" "$config"
    fi
    printf 'export %s\n' "KUBECONFIG='$config'" "PATH='$BIN':\"\$PATH\""
}

start_kubeadm() {
    local name=$1 port=$2 config=$3
    # By two of the labels kind takes it for a node of its own.
    docker run -d --name "$name" --label devenv.test-cluster=true \
        --label "io.x-k8s.kind.cluster=$name" --label io.x-k8s.kind.role=control-plane --privileged --cgroupns=private \
        --hostname node --tmpfs /run -v /var -v /lib/modules:/lib/modules:ro -v "$KIT:/kit:ro" \
        -p "127.0.0.1:$port:6443" -e SOLO=/kit/start -e "CLUSTER=$name" "$NODE_IMAGE" || return
    # One look that lasts: each of its own would take the engine as long as the cluster takes for a pod.
    docker exec "$name" sh -c 'until [ -e /run/ready ]; do sleep 0.2; done' ||
        { docker logs "$name" && return 1; }
    # Names of its own throughout, so that several files can be given as one KUBECONFIG.
    docker exec "$name" sed "s|server: .*|server: https://127.0.0.1:$port|
        s|kubernetes-admin@$name|$name|; s|kubernetes-admin|$name|" /etc/kubernetes/admin.conf >"$config" &&
        names_resolve --kubeconfig "$config"
}

kubeadm_down() {
    docker rm -fv "$1" >/dev/null 2>&1 || true
    rm -f "$MADE/kubeconfig.$1"
}
