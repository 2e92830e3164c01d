# lib.sh: what the command-line tests share; sourced with SOURCE and BUILD as arguments.
#
# A test calls `run CODE command...` and then `says`, `prints`, `silent`, ... about what it
# left in $work/out and $work/err. Complaints are collected: one run shows all that is wrong;
# the last line of a test is `finish`.
source=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
sweep=$build/mico-sweep mico=$build/mico
python=${PYTHON:-/usr/bin/python3}
shared=$source/../shared
fashion=/usr/share/datasets/fashion-mnist
here=$source/tests/cli
bad=0

export HDF5_USE_FILE_LOCKING=FALSE LC_ALL=C
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
unset MICO_FAULT MICO_ISA

skip() {
    echo "skipped: $*"
    exit 77
}

[ -x "$python" ] || skip "$python is not installed (make the data of these tests)"
work=$(mktemp -d "${TMPDIR:-/tmp}/mico-cli.XXXXXX")
work=$(cd "$work" && pwd)
background=
cleanup() {
    for pid in $background; do kill -KILL "$pid" 2>/dev/null || true; done
    [ "${KEEP:-0}" = 1 ] && echo "kept: $work" || rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

# The network that every checkout has, and a few real images of its data set (or patterns
# where the Debian package dataset-fashion-mnist is not installed).
net=$source/jobs/nets/fashion_cnn.onnx
[ -e "$net" ] || net=$shared/data/models/lenet_fashion_f32.onnx
[ -e "$net" ] || skip "jobs/nets/fashion_cnn.onnx is missing"
"$python" "$here/make_data.py" images data "$fashion"
cat >small.ini <<INI
[study]
budget = 24
[net]
path = $net
[data]
path = data
calibration = train:0-127
search = train:128-255
final = test:0-127
[objective]
subject_to = bops <= 0.3 of w8a8
[search]
inits = 6
candidates = 100
[run]
flush = 1s
INI

complain() {
    echo "FAILED: $*"
    bad=1
}

show() { # what the last command left, indented
    sed "s/^/    | /" err | head -n 20
}

# run CODE command...: stdout to out, stderr to err; complains unless it exits with CODE.
run() {
    local wanted=$1 code=0
    shift
    what=$*
    timeout -k 5 "${PATIENCE:-120}" "$@" >out 2>err </dev/null || code=$?
    [ "$code" -eq "$wanted" ] && return 0
    complain "exit code $code instead of $wanted: $what"
    show
}

says() { # stderr has a line like this (extended regular expression)
    grep -qE -- "$1" err && return 0
    complain "stderr has no '$1': $what"
    show
}

prints() { # stdout has a line like this
    grep -qE -- "$1" out && return 0
    complain "stdout has no '$1': $what"
    sed "s/^/    > /" out | head -n 20
}

silent() { # nothing on stdout
    [ ! -s out ] || complain "stdout is not empty: $what"
}

quiet() { # nothing on stderr
    [ ! -s err ] || { complain "stderr is not empty: $what"; show; }
}

one_message() { # one line, no sanitizer's or library's report
    [ "$(wc -l <err)" -eq 1 ] || { complain "not one message: $what"; show; }
}

same() { # same A B text
    [ "$1" = "$2" ] || complain "$3: '$1' is not '$2'"
}

digest_of() { # of a summary on stdout
    sed -n 's/^digest  *//p' "${1:-out}"
}

# json EXPRESSION: value of a Python expression over the object j on stdout
json() {
    "$python" -c 'import json, sys
j = json.load(open("out"))
print(eval(sys.argv[1]))' "$1" || complain "JSON of $what"
}

# Waits until a journal holds at least N records of results; fails after a while.
wait_for_results() { # RESULTS.journal N pid
    for _ in $(seq 1200); do
        [ "$("$python" "$here/journal.py" "$1" 2>/dev/null || echo 0)" -ge "$2" ] && return 0
        kill -0 "$3" 2>/dev/null || return 0
        sleep 0.05
    done
    complain "$1 has no $2 results after a minute"
    return 0
}

# Starts a command in a session of its own, so that it and all its children can be killed.
start() {
    setsid "$@" >out 2>err </dev/null &
    child=$!
    background="$background $child"
}

ended() { # waits for `child` and checks its exit code
    local code=0
    wait "$child" 2>/dev/null || code=$?
    [ "$code" -eq "$1" ] || { complain "exit code $code instead of $1: $2"; show; }
}

finish() {
    [ $bad -eq 0 ] && echo "passed: $(basename "$0")"
    exit $bad
}
