# What devenv runs in a container to write files there. Each line on stdin calls one of these functions; bytes of
# files follow their line. Whatever is printed before an answer is the reason of a failure, or a command's output.
# It needs sh, dd, mv, mkdir and rm; tar makes many files fast. $1 is what every answer begins with.
umask 022
unset CDPATH
exec 8>&2   # Kubernetes ends stdin once nobody holds stderr any more
exec 2>&1 7<<.
.
exec 7<>/proc/$$/fd/7   # a pipe: the supervisor's answers come here
mark=$1 home=$PWD stages= nl='
'
read -r host </proc/sys/kernel/hostname
me=$$.$host   # several containers may write to one volume, each with processes of its own
CHUNK=1048576

answer() { printf '%s%s\n' "$mark" "$*"; }

hello() {
    uid= gid=
    while read -r key value rest; do
        case $key in Uid:) uid=$value ;; Gid:) gid=$value ;; esac
    done </proc/self/status
    tools= exact=
    for tool in tar dd chmod ln cat setsid sha256sum; do
        ! command -v "$tool" >/dev/null || tools="$tools $tool"
    done
    # A plain dd may take less than it is told to from a pipe.
    for flags in 'iflag=fullblock status=none' iflag=fullblock; do
        ! dd bs=1 count=1 $flags </dev/null >/dev/null 2>&1 || { exact=$flags; break; }
    done
    supervised=
    read -r line </proc/1/cmdline && case $line in *devenv-supervisor*) supervised=supervised ;; esac
    while IFS= read -r line; do printf '%s\n' "$line"; done </proc/self/mountinfo
    answer ok "$me" "$uid" "$gid" "${supervised:-alone}" $tools
}

# where FOLDER: print its path without links, as far as it is there; of a file, that of the folder that it is in.
where() {
    [ ! -e "$1" ] || [ -d "$1" ] || set -- "${1%/*}/"
    folder=$1
    until cd -P -- "$folder" 2>/dev/null; do folder=${folder%/*} folder=${folder:-/}; done
    printf '%s/%s' "${PWD%/}" "${1#"$folder"}"
    cd /
    answer ok
}

# stage FOLDER: files in the making stand in FOLDER/PID.HOST; print the record of what was sent before.
stage() {
    if [ -s "$1/record" ]; then
        cat -- "$1/record"
        echo
    fi
    use "$1" && [ -w "$own" ] && [ ! -L "$1" ] && true >>"$record" || { answer no; return; }
    stages=$stages$own$nl others=0
    for folder in "$1"/[0-9]*; do
        name=${folder##*/}
        [ "$name" != "$me" ] && [ -d "$folder" ] || continue
        case $name in
            *".$host") [ -d "/proc/${name%%.*}" ] || { rm -rf -- "$folder"; continue; } ;;
            # Of another container, where nobody here sees what runs; `use` makes one anew.
            *) ! command -v find >/dev/null || find "$folder" -prune -mtime +0 -exec rm -rf -- {} + ;;
        esac
        others=$((others + 1))
    done
    answer ok "$others"
}

# use STAGE: take it for what comes
use() { own=$1/$me record=$1/record; [ -d "$own/one" ] || mkdir -p -- "$own/one"; }

# take FILE SIZE: move exactly so many bytes from stdin to a file, and off stdin even when that fails. A line behind
# them says that they are whole, and what to note: without it the other side died in the middle.
take() {
    file=$1 left=$2 failed=
    true >"$file" || failed=1 file=/dev/null
    while [ "$left" -gt 0 ]; do
        size=$left
        [ "$size" -le "$CHUNK" ] || size=$CHUNK
        if [ -n "$exact" ]; then
            dd bs="$size" count=1 $exact >>"$file" || failed=1
        else
            dd bs=1 count="$size" >>"$file" || failed=1
        fi
        left=$((left - size))
    done
    IFS= read -r line || exit 1
    case $line in
        end*) after=${line#end} && [ -z "$failed" ] ;;
        cut) echo 'changed while it was read' && return 1 ;;
        *) exit 1 ;;   # bytes were lost
    esac
}

inside() {
    case $PWD/ in "$top"/*) ;; *) echo 'a link leads out of the synced folder'; return 1 ;; esac
}

# enter ROOT FOLDER: go to a folder below a root, make it where it is missing, never follow a link out of the root.
enter() {
    made=0
    cd -P -- "$1" 2>/dev/null || { mkdir -p -- "$1" && cd -P -- "$1"; } || return 1
    top=${PWD%/}
    [ -n "$2" ] || return 0
    if cd -P -- "./$2" 2>/dev/null; then inside; return; fi
    rest=$2/
    while [ -n "$rest" ]; do
        part=${rest%%/*} rest=${rest#*/}
        [ -d "./$part" ] || { mkdir -- "./$part" && made=$((made + 1)); } || return 1
        cd -P -- "./$part" && inside || return 1
    done
}

# Each begins a line of its own, in case the one before was cut off by a full disk.
note() { printf '\n%s' "$1" >>"$record"; }

# replace NAME BEFORE: put the made file in its place here, and note that before and after.
replace() {
    if [ -d "./$1" ] && [ ! -L "./$1" ]; then rmdir -- "./$1" || return 1; fi
    keep_owner "$own/one/$1"
    note "$2" && mv -f -- "$own/one/$1" . && note "$after"
}

# keep_owner FILE...: root gives files that replace somebody's to their owner.
keep_owner() {
    [ "$uid" = 0 ] || return 0
    for file in "$@"; do
        name=./${file##*/}
        [ ! -e "$name" ] || [ -O "$name" ] || chown "$(stat -c %u:%g -- "$name")" "$file"
    done
}

# finish STATUS [FILE]: answer, also how many folders were made
finish() {
    if [ "$1" = 0 ]; then answer ok "$made"; else answer no "$made"; fi
    [ "$1" = 0 ] || [ -z "$2" ] || rm -f -- "$2"
    cd /
}

# put STAGE ROOT FOLDER NAME BEFORE SIZE MODE [SECOND]: with the time that it is to have, 0 for any
put() {
    made=0
    use "$1"
    take "$own/one/$4" "$6" && { [ "$7" = 644 ] || chmod "$7" "$own/one/$4"; } && {
        [ "${8:-0}" = 0 ] || touch -d "@$8" -- "$own/one/$4" 2>/dev/null || true
    } && enter "$2" "$3" && replace "$4" "$5"
    finish $? "$own/one/$4"
}

# link STAGE ROOT FOLDER NAME BEFORE AFTER TEXT
link() {
    after=$6 made=0
    use "$1"
    enter "$2" "$3" && {
        [ "$PWD" = "$top${3:+/}$3" ] || { echo 'a link stands on its way' && false; }
    } && ln -s -- "$7" "$own/one/$4" && replace "$4" "$5"
    finish $? "$own/one/$4"
}

# adopt STAGE ROOT FOLDER NAME BEFORE AFTER: a file that was put into the stage as `large` by the engine
adopt() {
    after=$6 made=0
    use "$1"
    mv -f -- "$own/large" "$own/one/$4" && enter "$2" "$3" && replace "$4" "$5"
    finish $? "$own/one/$4"
}

# delete STAGE ROOT FOLDER NAME BEFORE AFTER: a file, or a folder that is empty
delete() {
    record=$1/record made=0
    if [ -d "$2/$3" ]; then
        leave "$2" "$3" && note "$5" && {
            if [ -d "./$4" ] && [ ! -L "./$4" ]; then rmdir -- "./$4"; else rm -f -- "./$4"; fi
        } && note "$6"
    else
        note "$6"
    fi
    finish $?
}

# leave ROOT FOLDER: go there to delete something
leave() { cd -P -- "$1" && top=${PWD%/} && cd -P -- "./$2" && inside; }

# script STAGE SIZE: run a text that calls `group` and `drop`
script() {
    use "$1"
    if take "$own/go" "$2"; then . "$own/go"; fi
    settle
}

# What `group` and `drop` did not answer for did not happen.
settle() {
    cd / && true >"$own/go"
    answer ok
}

# batch STAGE SIZE -m: unpack a tar, and run the text `go` in it; without the last, files get their times from it
batch() {
    bad=1
    use "$1"
    if take "$own/tar" "$2" && tar -x -o $3 -p -f "$own/tar" -C "$own" && [ -r "$own/go" ]; then bad=; . "$own/go"; fi
    true >"$own/tar"
    [ -z "$bad" ] || rm -rf -- "$own"/[0-9]*
    settle
}

# group NUMBER ROOT FOLDER BEFORE AFTER FILE...: what the tar held for one folder
group() {
    if enter "$2" "$3" && note "$4" && arrive "$@"; then answer moved "$1" "$made"; else bad=1; answer bad "$1" "$made"; fi
}

arrive() {
    after=$5
    shift 5
    keep_owner "$@"
    mv -f -- "$@" . && note "$after"
}

# drop NUMBER ROOT FOLDER BEFORE AFTER FILE...: files of one folder to delete
drop() {
    if [ ! -d "$2/$3" ] || { leave "$2" "$3" && note "$4" && depart "$@"; }; then
        note "$5" && answer moved "$1" 0
    else
        answer bad "$1" 0
    fi
}

depart() {
    shift 5
    rm -f -- "$@"
}

# made STAGE TEXT: note folders that had to be made
made() { record=$1/record; note "$2"; }

# compact STAGE SIZE: replace the record.
compact() {
    use "$1"
    if take "$own/record" "$2" && mv -f -- "$own/record" "$record"; then answer ok; else answer no; fi
}

# run WORD...: a command in the container's own folder
run() {
    (cd -- "$home" && exec "$@" </dev/null 7>&-)
    answer ok $?
}

# tell WORD...: ask the supervisor
tell() {
    for try in 1 2 3 4 5; do
        [ ! -p /proc/1/fd/9 ] || break   # it has just begun
        sleep 1
    done
    if printf '%s\n' "$$ $*" >/proc/1/fd/9 && kill -URG 1 && IFS= read -r line <&7; then
        answer ok "$line"
    else
        answer no
    fi
}

while IFS= read -r line; do eval "$line"; done
IFS=$nl
set -f
rm -rf -- $stages
