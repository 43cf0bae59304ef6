# shellcheck shell=bash
# Builds stand-in images under the public names from package registries. Sourced by machine.sh.
#
# A folder under images/ is one image:
#   Dockerfile  built with the folder as its context
#   inputs.sh   optional, always run: gathers small files from the host or the repository
#   make.sh     optional, run when the folder or its inputs have changed: makes what takes long
#               (a root file system, a Go binary) in made/
# Both scripts run in a copy of the folder under the cache, which is the context Docker gets.

declare -A FOLDER WHAT RECIPE

# Asks Docker Hub for a small image's manifest; a refusal because of its rate limit is an answer.
hub_answers() {
    [[ $(timeout 6 docker manifest inspect hello-world 2>&1) == *@(schemaVersion|toomanyrequests)* ]]
}

# need PROGRAM PACKAGE: installs the package where the program is missing.
need() {
    ! command -v "$1" >/dev/null || return 0
    can_install_engine || die "$1 is missing here; please install it"
    timed "tool      $2" install_tool "$2"
}

install_tool() { add_engine_suite && apt-get update && install_packages "$1"; }

read_table() {
    local image folder what only
    IMAGES=()
    while IFS='|' read -r image folder what only; do
        image=${image// /} folder=${folder// /}
        case $image in '' | '#'*) continue ;; esac
        [[ $only != *kinds* || -n ${KINDS:-} ]] || continue
        IMAGES+=("$image")
        what=${what# }
        FOLDER[$image]=$folder WHAT[$image]=${what% }
    done <"$HERE/images.txt"
}

# keep_named_in FILE...: of the table, the images that the files name and those they are built from.
keep_named_in() {
    local image parent kept=() named
    named=$(cat "$@")
    for ((i = ${#IMAGES[@]} - 1; i >= 0; i--)); do # an image comes after those it is built from
        image=${IMAGES[i]}
        [[ $named == *"$image"* ]] || continue
        kept=("$image" "${kept[@]}")
        for parent in $(parents_of "$HERE/images/${FOLDER[$image]}"); do named+=" $parent"; done
    done
    IMAGES=("${kept[@]}")
}

parents_of() { sed -n 's/^FROM \([^ ]*\).*/\1/p; s/.*--from=\([^ ]*:[^ ]*\) .*/\1/p' "$1/Dockerfile"; }

build_standins() {
    local image missing=()
    need mmdebstrap mmdebstrap
    for image in "${IMAGES[@]}"; do
        stage "$image"
        needed "$image" && missing+=("$image")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    # Compiling keeps the processors busy while the other images wait for packages, so what is made of Go
    # modules and jars is made in the background, as soon as the base images are there. Two wait at a time.
    local base=() stores=() brokers=() go=() jars=()
    for image in "${missing[@]}"; do
        case ${FOLDER[$image]} in
        debian | python | node | jre) base+=("$image") ;;
        silo | mongo | mailpit | jaeger | otel-collector | versitygw) go+=("$image") ;;
        kafka | artemis | activemq | opensearch | keycloak) jars+=("$image") ;;
        rabbitmq | nats | memcached | prometheus) brokers+=("$image") ;;
        *) stores+=("$image") ;;
        esac
    done
    # The host's own compiler may be too old.
    [ ${#go[@]} -eq 0 ] || need go "golang-go/$ENGINE_SUITE"
    [ ${#jars[@]} -eq 0 ] || need mvn maven
    build_each "${base[@]}"
    make_each "${go[@]}" &
    local made=$!
    build_each "${brokers[@]}" "${jars[@]}" &
    local brought=$!
    build_each "${stores[@]}"
    wait $made || exit 1
    wait $brought || exit 1
    build_each "${go[@]}"
}

make_each() { for image; do make_artifacts "$image"; done; }

build_each() {
    for image; do
        make_artifacts "$image"
        timed "image     $image" build "$image"
    done
}

# Lays out the image's context and computes its recipe: a hash over the files it is built from,
# its description, and the recipes of the images it is built on.
stage() {
    local image=$1 dir=$CACHE/images/${FOLDER[$1]} parent
    mkdir -p "$dir"
    find "$dir" -mindepth 1 -maxdepth 1 ! -name made ! -name .made -exec rm -rf {} +
    cp -R "$HERE/images/${FOLDER[$image]}/." "$dir"
    [ ! -e "$dir/inputs.sh" ] || (cd "$dir" && bash inputs.sh)
    RECIPE[$image]=$(
        inputs_of "$dir"
        echo "${WHAT[$image]}"
        for parent in $(parents_of "$dir"); do echo "${RECIPE[$parent]:-$parent}"; done
    )
    RECIPE[$image]=$(sha256sum <<<"${RECIPE[$image]}" | cut -c1-16)
}

inputs_of() {
    (cd "$1" && find . -type f ! -path './made/*' ! -name .made | LC_ALL=C sort | xargs -d '\n' sha256sum)
}

# A stand-in is built where the tag is free or holds one of another recipe; a real image is left
# alone.
needed() {
    local labels
    labels=$(docker image inspect -f '{{json .Config.Labels}}' "$1" 2>/dev/null) || return 0
    [[ $labels == *devenv.standin* && $labels != *"\"${RECIPE[$1]}\""* ]]
}

make_artifacts() {
    local dir=$CACHE/images/${FOLDER[$1]} inputs
    [ -e "$dir/make.sh" ] || return 0
    inputs=$(inputs_of "$dir")
    [ "$inputs" != "$(cat "$dir/.made" 2>/dev/null)" ] || return 0
    rm -rf "$dir/made" && mkdir "$dir/made"
    timed "made      ${FOLDER[$1]}" make_in "$dir"
    printf '%s\n' "$inputs" >"$dir/.made"
}

# Go's caches are kept with ours, so that clearing one folder clears everything.
make_in() {
    cd "$1" && CGO_ENABLED=0 GOFLAGS='-mod=mod -trimpath -buildvcs=false' \
        GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/mod bash make.sh
}

build() {
    docker build --progress plain --tag "$1" \
        --label devenv.standin=true \
        --label "devenv.standin.what=${WHAT[$1]}" \
        --label "devenv.standin.recipe=${RECIPE[$1]}" \
        "$CACHE/images/${FOLDER[$1]}"
}

list_images() {
    local image labels kind what
    for image in "${IMAGES[@]}"; do
        labels=$(docker image inspect -f '{{json .Config.Labels}}' "$image" 2>/dev/null) || labels=absent
        case $labels in
        absent) kind=absent what='pulled when first used' ;;
        *devenv.standin*) kind=stand-in what=${labels#*'"devenv.standin.what":"'} what=${what%%'"'*} ;;
        *) kind=real what='as published' ;;
        esac
        printf '%-40s %-9s %s\n' "$image" "$kind" "$what"
    done
}
