# shellcheck shell=bash
# Makes Minikube, Kubernetes, a node image and the control plane's images from Go modules and
# Debian packages, each once. Sourced by cluster.sh.

# The Minikube on PATH is used when it is the user's and can pull what it needs. Asked once a run.
users_minikube() {
    local found
    if [ -z "${USERS_MINIKUBE:-}" ]; then
        found=$(readlink -f "$(command -v minikube)")
        USERS_MINIKUBE=no
        [ -z "$found" ] || [ "$found" = "$(readlink -f "$BIN/minikube")" ] || ! registry_answers || USERS_MINIKUBE=yes
    fi
    [ $USERS_MINIKUBE = yes ]
}

registry_answers() {
    [[ $(curl -s -m 4 -o /dev/null -w '%{http_code}' https://registry.k8s.io/v2/) =~ ^(2|3|401) ]]
}

ensure_programs() {
    if users_minikube; then
        say "minikube  $(command -v minikube) is used: it is there, and registry.k8s.io answers"
        return
    fi
    ensure_images
    ensure_program minikube && place minikube
    ensure_ways
    made "preload   images and programs, packed" "$PRELOADED" "$(recipe_of_kit)" pack_preload
    write_config
    link_on_path minikube kubectl
}

# What the one-container cluster needs: all of the above without Minikube itself. Running clusters
# have their kit mounted, so another one gets a folder of its own.
ensure_kit() {
    local recipe
    ensure_images
    recipe=$({ files_in "$CLUSTER/kubeadm" && recipe_of_images; } | hash_of)
    KIT=$MADE/kits/$recipe
    made "kit       for clusters of one container" "$KIT" "$recipe" make_kit
    ensure_ways
}

ensure_ways() {
    local program
    for program in "${WAYS[@]}"; do ensure_program "$program" && place "$program"; done
}

make_kit() {
    local name new=$KIT.new
    stage "$new" "$CLUSTER/kubeadm" && mkdir "$new/bin" &&
        sed -i "s/STORAGE_PROVISIONER/$STORAGE_PROVISIONER/" "$new/storage.yaml" &&
        ln "$MADE/images.tar" "$new/images.tar" || return
    for name in kubelet kubeadm kubectl kube-proxy; do
        ln "$MADE/programs/kube" "$new/bin/$name" || return
    done
    rm -rf "$KIT" && mv "$new" "$KIT"
}

announce() {
    cat >&3 <<TEXT
There is no Minikube that could pull its images here, so Minikube $MINIKUBE and Kubernetes
$KUBERNETES are built from Go modules, and a node image from Debian packages: some 20 minutes on
two processors, kept in $MADE.
TEXT
}

ensure_images() {
    [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] ||
        STATUS=3 die "install Minikube (https://minikube.sigs.k8s.io/docs/start/); one is built only on Debian, as root"
    docker image inspect debian:trixie-slim >/dev/null 2>&1 || docker pull -q debian:trixie-slim >/dev/null 2>&1 ||
        STATUS=3 die "a Docker engine and debian:trixie-slim are needed: run tests/machine/machine.sh first"
    command -v go >/dev/null || STATUS=3 die "Go is needed: run tests/machine/machine.sh first"
    [ -e "$MADE/images.tar" ] || announce

    # Packages come over the network while the processors compile.
    local program node
    ensure_program crictl
    ensure_node &
    node=$!
    for program in "${IMAGE_PROGRAMS[@]}"; do ensure_program "$program"; done
    wait $node || exit 1
    place kube kubectl
    made "images    of the control plane" "$MADE/images.tar" "$(recipe_of_images)" build_images
}

# made WHAT FILE RECIPE COMMAND...: runs the command unless it has made this file of this recipe.
made() {
    local what=$1 file=$2 recipe=$3
    shift 3
    [ -e "$file" ] && [ "$(cat "$file.recipe" 2>/dev/null)" = "$recipe" ] && return
    mkdir -p "$(dirname "$file")"
    timed "$what" "$@"
    echo "$recipe" >"$file.recipe"
}

hash_of() { sha256sum | cut -c1-16; }

files_in() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum); }

stage() { rm -rf "$1" && mkdir -p "$(dirname "$1")" && cp -R "$2" "$1"; }

program_row() { programs | grep "^$1|"; }

recipe_of_program() { { echo "$GO" && program_row "$1" && files_in "$CLUSTER/programs/$1"; } | hash_of; }

ensure_program() {
    made "compiled  $1" "$MADE/programs/$1" "$(recipe_of_program "$1")" compile "$1"
}

# Go's caches are the machine's, so that clearing one folder clears everything.
compile() {
    local package values flags='-s -w' value
    IFS='|' read -r _ package values < <(program_row "$1")
    for value in $values; do flags+=" -X $value"; done
    stage "$MADE/src/$1" "$CLUSTER/programs/$1" && cd "$MADE/src/$1" &&
        CGO_ENABLED=0 GOTOOLCHAIN=$GO GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/mod \
            nice -n 5 go build -mod=mod -p 2 -trimpath -buildvcs=false -ldflags "$flags" \
            -o "$MADE/programs/$1" "$package"
}

recipe_of_node() { { files_in "$CLUSTER/node" && recipe_of_program crictl; } | hash_of; }

ensure_node() {
    local label='{{index .Config.Labels "devenv.standin.recipe"}}'
    [ "$(docker image inspect -f "$label" "$NODE_IMAGE" 2>/dev/null)" = "$(recipe_of_node)" ] ||
        timed "image     $NODE_IMAGE" build_node
}

build_node() {
    stage "$MADE/node" "$CLUSTER/node" && ln "$MADE/programs/crictl" "$MADE/node/crictl" &&
        build_image "$MADE/node" "$NODE_IMAGE" "$(recipe_of_node)"
}

# build_image FOLDER TAG RECIPE [OPTION...]
build_image() {
    local folder=$1 tag=$2 recipe=$3
    shift 3
    docker build --progress plain --tag "$tag" --label devenv.standin=true \
        --label "devenv.standin.recipe=$recipe" "$@" "$folder"
}

recipe_of_images() {
    local program
    {
        files_in "$CLUSTER/images" && images
        for program in "${IMAGE_PROGRAMS[@]}"; do recipe_of_program "$program"; done
    } | hash_of
}

build_images() {
    local image stage program images=() recipe
    recipe=$(recipe_of_images)
    stage "$MADE/images" "$CLUSTER/images"
    for program in "${IMAGE_PROGRAMS[@]}"; do
        ln "$MADE/programs/$program" "$MADE/images/$program"
    done
    while IFS='|' read -r image stage; do
        build_image "$MADE/images" "$image" "$recipe" --target "$stage" || return
        images+=("$image")
    done < <(images)
    docker save -o "$MADE/images.tar" "${images[@]}" && docker image rm "${images[@]}"
}

recipe_of_kit() { { recipe_of_node && recipe_of_images; } | hash_of; }

MINIKUBE_DIR=$MADE/home/.minikube
ARCH=$(dpkg --print-architecture 2>/dev/null || echo amd64)
PRELOADED=$MINIKUBE_DIR/cache/preloaded-tarball/preloaded-images-k8s-$PRELOAD-$KUBERNETES-containerd-overlay2-$ARCH.tar.lz4

# The file `minikube start` unpacks into a node's /var: the images as containerd keeps them, and
# the programs; and beside it the programs where Minikube looks for what it has downloaded.
pack_preload() {
    local name programs=$MINIKUBE_DIR/cache/linux/$ARCH/$KUBERNETES
    mkdir -p "$programs" "$MADE/pack/bin"
    for name in kubeadm kubelet kubectl; do
        ln -f "$MADE/programs/kube" "$programs/$name"
        ln -f "$MADE/programs/kube" "$MADE/pack/bin/$name"
    done
    ln -f "$MADE/images.tar" "$MADE/pack/images.tar"
    # /var must be a volume: the overlays that containerd makes cannot lie on Docker's.
    docker run --rm --privileged --network none --tmpfs /run -v /var -v "$MADE/pack:/pack" \
        -e "PROGRAMS=/var/lib/minikube/binaries/$KUBERNETES" --entrypoint bash "$NODE_IMAGE" -euo pipefail -c '
            containerd >/tmp/containerd.log 2>&1 & daemon=$!
            until ctr version >/dev/null 2>&1; do sleep 0.1; done
            ctr -n k8s.io images import /pack/images.tar
            kill $daemon; wait $daemon || true
            mkdir -p "$PROGRAMS" && cp -a /pack/bin/. "$PROGRAMS"
            cd /var && tar --xattrs --xattrs-include="*" -I lz4 -cf /pack/preload lib/containerd lib/minikube/binaries' &&
        mv "$MADE/pack/preload" "$PRELOADED" && rm -rf "$MADE/pack"
}

place() { mkdir -p "$BIN" && ln -f "$MADE/programs/$1" "$BIN/${2:-$1}"; }

link_on_path() {
    local name
    for name; do
        command -v "$name" >/dev/null || ln -s "$BIN/$name" "/usr/local/bin/$name"
    done
}
