#!/usr/bin/env bash
# Starts a one-node SLURM of its own (own ports, own munge key, nothing outside a temporary
# folder), stops runs in every way that SLURM knows, and checks that they go on and end with
# the digest of an undisturbed run.
#
#   tests/slurm/run.sh SOURCE BUILD        KEEP=1 keeps the folder with all logs
# Exit 77 (skipped) where SLURM is not installed.
set -eu
source=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
PATH=$PATH:/usr/sbin
skip() { echo "skipped: $*"; exit 77; }
for tool in munged slurmctld slurmd sbatch scontrol scancel squeue sinfo mpirun; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
[ -e /usr/share/datasets/fashion-mnist ] || skip "dataset-fashion-mnist is not installed"

# ---- a SLURM of our own ----------------------------------------------------------------

dir=$(mktemp -d) host=$(hostname -s) port=$((20000 + $$ % 5000 * 2))
export SLURM_CONF=$dir/slurm.conf # also the mark by which cleanup finds what we started
started() { grep -lz "^SLURM_CONF=$SLURM_CONF\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
cleanup() {
    trap '' INT TERM HUP
    for signal in TERM TERM TERM KILL KILL; do
        # shellcheck disable=SC2046 # one word for each process
        kill -$signal $(started) 2>/dev/null || break
        sleep 0.5
    done
    if [ "${KEEP:-0}" = 1 ]; then echo "kept $dir"; else rm -rf "$dir"; fi
}
trap cleanup EXIT
trap 'echo "FAILED: interrupted, or longer than five minutes"; exit 1' INT TERM HUP
fail() { echo "FAILED: $*"; tail -n 30 "$dir"/run/*.out "$dir"/log/*; exit 1; }

(sleep 300 && kill $$) 2>/dev/null & # a test that ctest has to kill could not clean up
chmod 755 "$dir"
mkdir -p "$dir"/{munge,state,spool,log,run}
cat >"$SLURM_CONF" <<CONF
ClusterName=mico
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=1000
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE
CONF
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
chmod 755 "$dir/munge"
munged --foreground --socket="$dir/munge/socket" --key-file="$dir/munge/key" \
    --pid-file="$dir/munge/pid" --seed-file="$dir/munge/seed" \
    --log-file="$dir/munge/log" >"$dir/log/munged.log" 2>&1 &
slurmctld -D >"$dir/log/slurmctld.err" 2>&1 &
slurmd -D >"$dir/log/slurmd.err" 2>&1 &

within() { # SECONDS COMMAND...: true as soon as the command is
    local tries=$((10 * $1))
    shift
    while ! "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}
idle() { [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; }
within 30 idle || fail "the node does not become idle"

# ---- the runs --------------------------------------------------------------------------

cd "$dir/run"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export MICO_SWEEP=$build/mico-sweep MICO_MPIRUN_OPTIONS=--oversubscribe
printf '\n[sweep]\nstudy.seed = 1, 2\n' | cat "$source/jobs/quickstart.ini" - >two.ini
job=(two.ini --progress never --set study.budget=100
    --set net.path="$source/jobs/nets/fashion_cnn.onnx"
    --set data.search=train:512-1511 --set data.final=test:0-499)

submit() { # NAME [mico-sweep options]: the results, and the log NAME.out
    local name=$1
    shift
    id=$(sbatch --parsable --ntasks=2 --output="$name.out" "$source/slurm/mico-sweep.sbatch" \
        "${job[@]}" --only-study 0 -o "$name.h5" "$@")
}
size() { stat -c %s "$1" 2>/dev/null || echo 0; }
searching() { [ "$(size "$1.journal")" -gt "$third" ]; }
under_way() { within 60 searching "$1" || fail "$1 does not get under way"; }
gone() { local left; left=$(squeue -h -j "$1" 2>/dev/null) && [ -z "$left" ]; }
finish() { within "${2:-60}" gone "$1" || fail "job $1 does not end"; }
digest() { sed -n 's/^digest *//p' "$1.out"; }
same() { [ "$(digest "$1")" = "$wanted" ] || fail "$1: digest '$(digest "$1")', not $wanted"; }
has() { grep -q "$2" "$1.out" || fail "$1: no '$2' in its output"; }
step() { printf '%3d s  %s\n' $SECONDS "$*"; }

# SLURM looks at time limits twice a minute only: this one runs beside the others
sbatch --ntasks=1 --time=1 --signal=B:USR1@55 --output=limit.out \
    "$source/slurm/mico-sweep.sbatch" "${job[@]}" --only-study 1 -o limit.h5 \
    --set study.budget=100000 --set search.method=random \
    --set data.search=train:512-10511 >/dev/null

step "without SLURM"
"$MICO_SWEEP" "${job[@]}" --only-study 0 -o reference.h5 >reference.out 2>&1 ||
    fail "the run without SLURM"
wanted=$(digest reference)
[ -n "$wanted" ] || fail "no digest"
header=$(od -An -tu4 -j12 -N4 reference.journal) # the rest of a journal is mostly trials
third=$((header + ($(size reference.journal) - header) / 3))

step "stopped by USR1, queued again by the script"
submit usr1
under_way usr1
scancel --batch --signal=USR1 "$id"
finish "$id"
has usr1 "start 0: mico-sweep ended with 75"
has usr1 "resuming behind"
has usr1 "start 1: mico-sweep ended with 0"
same usr1

step "stopped with TERM and queued again by SLURM"
submit term
under_way term
scontrol requeue "$id"
finish "$id"
has term "resuming behind"
has term "start 1: mico-sweep ended with 0"
same term

step "cancelled and submitted again"
submit cancel
under_way cancel
scancel "$id"
finish "$id"
[ -z "$(digest cancel)" ] || fail "cancel: it was complete before"
submit cancel
finish "$id"
has cancel "resuming behind"
has cancel "start 0: mico-sweep ended with 0"
same cancel

step "complete already"
submit cancel --json # JSON tells this answer from the one above
finish "$id" 20
has cancel "\"digest\":\"$wanted\""

step "an array of two studies, one of them stopped and queued again"
id=$(sbatch --parsable --ntasks=2 --array=0-1 --output="array-%a.out" \
    "$source/slurm/array.sbatch" "${job[@]}")
under_way results/two-s0
scancel --batch --signal=USR1 "${id}_0"
finish "$id"
has array-0 "start 1: mico-sweep ended with 0"
has array-1 "start 0: mico-sweep ended with 0"
same array-0
[ -e results/two-s1.h5 ] || fail "no results of array task 1"

step "stopped by its time limit, queued again"
resumed() { grep -q "resuming behind" limit.out; }
within 60 resumed || fail "limit: does not go on"
has limit "start 0: mico-sweep ended with 75"
step "passed, digest $wanted"
