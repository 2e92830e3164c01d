#!/usr/bin/env bash
# The result does not depend on the number of ranks, on which of them die, or on who drives:
# always the digest of a run without mpirun. tests/mpi/digest.sh SOURCE BUILD [wide]
#
# With `wide` only the run on 64 ranks.
set -eu
. "$(dirname "$0")/../cli/lib.sh"
[ -n "$(command -v mpirun)" ] || skip "mpirun is not installed"
PATIENCE=280

mpi() { # CODE RANKS options...: a run of the small job
    local code=$1 ranks=$2
    shift 2
    run "$code" mpirun --oversubscribe -n "$ranks" "$sweep" small.ini -q "$@"
}
resumed() { # RESULTS RANKS what
    mpi 0 "$2" -o "$1"
    same "$(digest_of)" "$digest" "$3, resumed on $2 ranks"
}
# Trials that hang hold a run where a test wants it.
held() { # RESULTS RANKS RESULTS-SEEN TRIALS options...
    local results=$1 ranks=$2 seen=$3 trials=$4
    shift 4
    MICO_FAULT=$trials start mpirun --oversubscribe -n "$ranks" "$sweep" small.ini -q -o "$results" "$@"
    wait_for_results "${results%.h5}.journal" "$seen" "$child"
}
children() { # ranks of mpirun `child`, in order of rank
    ps -o pid= --ppid "$child" | sort -n
}
gone() { # nothing works on these results any more
    for _ in $(seq 150); do
        [ -z "$(pgrep -f -- "-o $1( |\$)")" ] && return 0
        sleep 0.1
    done
    complain "processes are left after $2: $(pgrep -af -- "-o $1( |\$)")"
}

run 0 "$sweep" small.ini -q -o inline.h5 --json
digest=$(json 'j["digest"]') best=$(json 'j["best"]')

if [ "${3:-}" = wide ]; then
    mpi 0 64 -o wide.h5 --json
    same "$(json 'j["digest"], j["best"]')" "('$digest', $best)" "64 ranks"
    # more ranks than a window keeps busy, and a window that keeps them all busy
    run 0 "$sweep" small.ini -q -o big.h5 --set run.window=64 --set study.budget=96 --json
    wanted=$(json 'j["digest"]')
    mpi 0 64 -o big64.h5 --set run.window=64 --set study.budget=96 --json
    same "$(json 'j["digest"]')" "$wanted" "64 ranks, window of 64"
    finish
fi

for ranks in 1 2 4; do
    mpi 0 $ranks -o n$ranks.h5 --json
    same "$(json 'j["digest"], j["best"]')" "('$digest', $best)" "$ranks ranks"
    same "$(wc -l <out)" 1 "lines on stdout of $ranks ranks"
done
mpi 0 2 -o bundle1.h5 --set run.bundle=1
same "$(digest_of)" "$digest" "2 ranks, one by one"
mpi 0 4 -o bundle8.h5 --set run.bundle=8 --set run.parallel=16 --set run.window=8 --set run.reuse=off
same "$(digest_of)" "$digest" "4 ranks, bundles of 8 that share nothing"
mpi 0 3 -o dedicated.h5 --set run.driver=dedicated
same "$(digest_of)" "$digest" "driver = dedicated"
mpi 0 1 -o dedicated1.h5 --set run.driver=dedicated
same "$(digest_of)" "$digest" "driver = dedicated on one rank"
# begun alone, finished by many, and the other way round: see below; complete results end at once
mpi 0 2 -o inline.h5 --resume
same "$(digest_of)" "$digest" "--resume of complete results"

# ---- answers and errors come once, from rank 0, with its exit code

run 0 mpirun --oversubscribe -n 3 "$sweep" --list searchers
same "$(wc -l <out)" "$("$sweep" --list searchers | wc -l)" "lines of --list on three ranks"
mpi 2 2 -o left/r.h5 --set net.path=missing.onnx && silent
same "$(grep -c 'missing.onnx: ' err)" 1 "messages of two ranks"
mpi 1 2 -o left/r.h5 --set 'objective.subject_to=size <= 1B' && silent

# ---- failures of evaluations

run_faults='crash@2,crash!@5,oom@8'
MICO_FAULT=$run_faults run 0 "$sweep" small.ini -q -o faults.h5 --json
wanted=$(json 'j["digest"], j["failed"]')
MICO_FAULT=$run_faults mpi 0 3 -o faults3.h5 --json
same "$(json 'j["digest"], j["failed"]')" "$wanted" "failed trials on three ranks"
MICO_FAULT=$run_faults mpi 0 2 -o faults2.h5 --set run.bundle=2 --json
same "$(json 'j["digest"], j["failed"]')" "$wanted" "failed trials on two ranks, bundles of two"

# ---- stopped, killed

held stopped.h5 2 6 hang@9,hang@10
kill -USR1 "$child"
ended 75 "SIGUSR1 to mpirun"
gone stopped.h5 SIGUSR1
resumed stopped.h5 4 SIGUSR1

# the whole tree at once
held killed.h5 4 6 hang@9,hang@10,hang@11,hang@12
kill -KILL $(children) "$child"
wait "$child" 2>/dev/null || true
gone killed.h5 "SIGKILL of mpirun and all ranks"
resumed killed.h5 2 "SIGKILL of all"
held killed1.h5 2 6 hang@9,hang@10
kill -KILL $(children) "$child"
wait "$child" 2>/dev/null || true
gone killed1.h5 "SIGKILL of mpirun and all ranks"
run 0 "$sweep" small.ini -q -o killed1.h5
same "$(digest_of)" "$digest" "killed on two ranks, resumed alone"

# mpirun alone: its ranks must not live on
held orphans.h5 3 6 hang@9,hang@10,hang@11
kill -KILL "$child"
wait "$child" 2>/dev/null || true
gone orphans.h5 "SIGKILL of mpirun"
resumed orphans.h5 3 "SIGKILL of mpirun"

# one worker: Open MPI ends the job; no results are lost
held worker.h5 3 6 hang@9,hang@10,hang@11
kill -KILL "$(children | tail -n 1)"
code=0
wait "$child" 2>/dev/null || code=$?
[ $code -ne 0 ] || complain "mpirun ends with 0 though a rank was killed"
gone worker.h5 "SIGKILL of a worker"
resumed worker.h5 3 "SIGKILL of a worker"

[ ! -e left ] || complain "left behind: left"
finish
