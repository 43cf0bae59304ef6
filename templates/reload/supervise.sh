: devenv-supervisor
# PID 1 of a container in development: it starts a program, and starts it again when it is told to; the container
# and its files stay. Arguments: GRACE HOLD PROGRAM [ARGUMENT...]. With HOLD it waits to be told before the first start;
# that is noted in this file of the container, which is started again without waiting.
# Lines `PID VERB [ARGUMENT]` come through a pipe, descriptor 9, each followed by the signal URG; the answer goes to
# descriptor 7 of PID. An empty text behind `<<` is such a pipe, which needs no file system that can be written.
grace=$1 hold=$2
shift 2
exec 3<&0 4>&2 2>/dev/null   # a shell complains of each signal that comes too late, and dash of each that ends a program
state=held pid= count=0 code= askers= asked= ending= missed= timer= idle=

# Traps run between any two commands, so what they set is read once and at once.
start() {
    state=running pid= missed= count=$((count + 1)) asked=
    [ -z "$ending" ] || exit "${code:-143}"
    $defaults $own_group "$@" <&3 2>&4 3<&- 4>&- 9>&- &
    pid=$!
    if [ -n "$missed" ]; then eval "$missed"; else reply; fi
}

reply() {
    recipients=$askers askers=
    for asker in $recipients; do
        printf '%s\n' "$state ${pid:-0} ${code:-0} $count" >"/proc/$asker/fd/7"
    done
}

signal() {
    caught=1
    case $1 in TERM | INT | QUIT | WINCH) ending=1 ;; esac
    if [ "$state" != running ]; then
        [ -z "$ending" ] || kill "$idle"
    elif [ -z "$pid" ]; then
        missed="signal $1"
    elif { [ "$1" = INT ] || [ "$1" = QUIT ]; } && [ -z "$defaults" ] && ignored; then
        kill -TERM "$pid"
    else
        kill -"$1" "$pid"
    fi
}

# again SECONDS: end the program, so that it is started again
again() {
    asked=1
    if [ "$state" != running ]; then
        kill "$idle"
    elif [ -z "$pid" ]; then
        missed="again $1"
    else
        everyone TERM
        limit "$1"
    fi
}

ignored() {   # whether the program ignores INT, as the shell made it
    while read -r key value; do
        case $key$value in SigIgn:*[2367abefABEF]) return 0 ;; esac
    done <"/proc/$pid/status"
    return 1
}

# everyone SIGNAL: to the program, its group, and whatever of it is left without a parent
everyone() {
    kill -"$1" "-$pid" || kill -"$1" "$pid"
    for stat in /proc/[0-9]*/stat; do
        read -r line <"$stat" || continue
        set -- "$1" ${line##*) }
        other=${stat#/proc/}
        other=${other%/stat}
        [ "$3" = "$$" ] && [ "$2" != Z ] && [ "$other" != "$pid" ] && [ "$other" != "$timer" ] &&
            kill -"$1" "$other" && orphans=1
    done
}

control() {
    caught=1
    echo . >&9
    while read -r from verb argument <&9 && [ "$from" != . ]; do
        case $verb in
            state)
                others=$askers askers=$from
                reply
                askers=$others
                ;;
            restart)
                askers="$askers $from"
                again "${argument:-$grace}"
                ;;
            release)
                askers="$askers $from"
                [ -z "$hold" ] || { mkdir -p "${hold%/*}" && true >"$hold"; }   # a shell ends when `:` cannot be redirected
                if [ "$state" = running ]; then reply; else again; fi
                ;;
            kill) [ "$argument" != "$count" ] || everyone KILL ;;
        esac
    done
}

# limit SECONDS: have this run of the program killed then
limit() {
    (
        sleep "$1" &
        trap 'kill $!; exit' TERM
        wait $!
        echo "$$ kill $count" >&9
        kill -URG $$
    ) &
    timer=$!
}

# await PID: its exit code, whatever signals come in between
await() {
    code=
    while :; do
        caught=
        wait "$1"
        result=$?
        [ "$result" = 127 ] && [ -n "$code" ] || code=$result
        [ -n "$caught" ] || return
    done
}

rest() {   # until there is something to do
    while [ -z "$asked$ending" ]; do
        sleep 2000000 &
        idle=$!
        [ -n "$asked$ending" ] || wait "$idle"
        kill "$idle"
    done
}

for name in HUP INT QUIT USR1 USR2 TERM WINCH ALRM PWR; do trap "signal $name" "$name"; done
trap control URG

# Whoever finds the pipe sends the signal, so the trap is there before it, and nothing slow is.
exec 9<<.
.
if [ -p /proc/$$/fd/9 ]; then
    exec 9<>/proc/$$/fd/9
else   # old versions of bash keep such a text in a file
    pipe=/dev/shm/.devenv.$$
    until mkfifo "$pipe" || [ ${#pipe} -gt 40 ]; do pipe=${pipe}x; done
    exec 9<>"$pipe"
    rm -f "$pipe"
fi

own_group= defaults=
command -v setsid >/dev/null && own_group=setsid
# A shell has the programs behind `&` ignore INT and QUIT.
env --default-signal=INT,QUIT true && defaults='env --default-signal=INT,QUIT'

[ -z "$hold" ] || [ -e "$hold" ] || rest
restarted=
while :; do
    start "$@"
    await "$pid"
    if [ -n "$ending" ] || [ -z "$asked$restarted" ]; then exit "$code"; fi
    restarted=1
    [ -z "$timer" ] || { kill "$timer"; timer=; }
    orphans=1 rounds=0
    while [ -n "$orphans" ] && [ "$rounds" -lt 100 ]; do
        orphans= rounds=$((rounds + 1))
        everyone KILL
    done
    state=ended
    if [ -z "$asked" ]; then
        echo "devenv: exited with $code; waiting for a change" >&4
        rest
    fi
done
