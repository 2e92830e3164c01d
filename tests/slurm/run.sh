#!/usr/bin/env bash
# Starts a one-node SLURM, runs both batch scripts on it, stops one half way by its signal,
# and checks that requeue and resume give the digest of an undisturbed run.
#
#   tests/slurm/run.sh SOURCE BUILD
# Exit 77 (skipped) where SLURM is not installed or the user is not root.
set -eu
source=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
skip() { echo "skipped: $*"; exit 77; }
for tool in slurmctld slurmd munged sbatch scontrol squeue; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || skip "$tool is not installed"
done
[ "$(id -u)" -eq 0 ] || skip "needs root to start daemons"
pgrep -x slurmctld >/dev/null && skip "a slurmctld runs here already"
PATH=$PATH:/usr/sbin

dir=$(mktemp -d) host=$(hostname -s) own_munge=0
cleanup() {
    scancel -u root >/dev/null 2>&1 || true
    scontrol shutdown >/dev/null 2>&1 || true
    for pid in "$dir"/*.pid; do [ -e "$pid" ] && kill "$(cat "$pid")" 2>/dev/null; done
    sleep 1
    pkill -x slurmctld 2>/dev/null; pkill -x slurmd 2>/dev/null
    [ $own_munge = 0 ] || kill "$(cat /run/munge/munged.pid 2>/dev/null)" 2>/dev/null
    [ "${KEEP:-0}" = 1 ] || rm -rf "$dir"
    return 0
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; tail -n 30 "$dir"/*.out "$dir"/log/* 2>/dev/null; exit 1; }

if ! pgrep -x munged >/dev/null; then
    mkdir -p /run/munge /var/log/munge
    chown munge: /run/munge /var/log/munge /var/lib/munge
    chmod 755 /run/munge
    [ -e /etc/munge/munge.key ] || /usr/sbin/mungekey --create >/dev/null 2>&1 || true
    runuser -u munge -- /usr/sbin/munged || skip "munged does not start"
    own_munge=1
fi
mkdir -p "$dir"/{state,spool,log,work}
export SLURM_CONF=$dir/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=mico
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
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
SchedulerType=sched/backfill
MpiDefault=pmix
ReturnToService=2
KillWait=5
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 40); do
    [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && break
    sleep 0.5
done
[ "$(sinfo -h -o %t)" = idle ] || fail "the node does not become idle"

cd "$dir/work"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export MICO_SWEEP=$build/mico-sweep MICO_MPIRUN_OPTIONS=--oversubscribe
job=$source/jobs/quickstart.ini
small="--set study.budget=${BUDGET:-120} --set data.search=train:512-2511 --set data.final=test:0-999"
digest() { grep -h '^digest' "$@" | awk '{print $2}' | sort -u; }

wait_for() { # job id, seconds
    for _ in $(seq $((2 * $2))); do
        [ -n "$(squeue -h -j "$1" 2>/dev/null)" ] || return 0
        # a requeued job would wait two minutes for nothing
        scontrol update jobid="$1" starttime=now >/dev/null 2>&1 || true
        sleep 0.5
    done
    return 1
}

echo "reference: without SLURM"
# shellcheck disable=SC2086
"$MICO_SWEEP" "$job" $small -o reference.h5 --progress never >reference.out 2>reference.err ||
    fail "the reference run"
wanted=$(digest reference.out)
[ -n "$wanted" ] || fail "no digest in the reference run"

echo "stopped by USR1, requeued, resumed"
# shellcheck disable=SC2086
id=$(sbatch --parsable --ntasks=2 --time=10 --output="$dir/stop.out" \
    "$source/slurm/mico-sweep.sbatch" "$job" $small -o stopped.h5)
for _ in $(seq 240); do # until it has recorded some trials
    [ "$(stat -c %s stopped.journal 2>/dev/null || echo 0)" -gt 20000 ] && break
    sleep 0.05
done
scancel --batch --signal=USR1 "$id"
wait_for "$id" 200 || fail "job $id does not end"
grep -q "ended with 75" "$dir/stop.out" || fail "the signal did not stop the run"
grep -q "start 1 of job" "$dir/stop.out" || fail "the job was not requeued"
grep -q "resuming behind" "$dir/stop.out" || fail "the restart did not resume"
[ "$(digest "$dir/stop.out")" = "$wanted" ] || fail "digest differs from $wanted"

echo "array: one study a task"
printf '[sweep]\nstudy.seed = 1, 2\n' | cat "$job" - >sweep.ini
# shellcheck disable=SC2086
id=$(sbatch --parsable --ntasks=2 --time=10 --array=0-1 --output="$dir/array-%a.out" \
    "$source/slurm/array.sbatch" sweep.ini --set net.path="$source/jobs/nets/fashion_cnn.onnx" \
    $small)
wait_for "$id" 200 || fail "array $id does not end"
for task in 0 1; do
    grep -q "ended with 0" "$dir/array-$task.out" || fail "array task $task"
    [ -e results/sweep-s$task.h5 ] || fail "no results of array task $task"
done
echo "passed: digest $wanted"
