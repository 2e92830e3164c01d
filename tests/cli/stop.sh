#!/usr/bin/env bash
# Runs that are stopped, killed or run out of disk: nothing is lost, and the same command goes
# on to the digest of an undisturbed run. tests/cli/stop.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
run 0 "$sweep" small.ini -q -o whole.h5
digest=$(digest_of)
resumed() { # RESULTS what
    run 0 "$sweep" small.ini -q -o "$1"
    same "$(digest_of)" "$digest" "resumed after $2"
    same "$("$python" "$here/journal.py" "${1%.h5}.journal" 5)" 24 "results in the journal after $2"
}
# An evaluator that hangs at a known trial holds a run there for as long as a test needs.
held() { # RESULTS TRIAL: starts a run and waits until it has got that far, one by one
    MICO_FAULT=hang@$2 start "$sweep" small.ini -o "$1" --progress never --set run.bundle=1
    wait_for_results "${1%.h5}.journal" "$2" "$child"
}
held_bundle() { # RESULTS: the same in the second bundle of eight
    MICO_FAULT=hang@9 start "$sweep" small.ini -o "$1" --progress never
    wait_for_results "${1%.h5}.journal" 8 "$child"
}
gone() { # the process and every process of its session
    for _ in $(seq 100); do
        [ -z "$(ps -o pid= -s "$child" 2>/dev/null)" ] && return 0
        sleep 0.1
    done
    complain "processes are left after $1: $(ps -o pid=,stat=,args= -s "$child")"
}

# ---- asked to stop: exit 75, says so, resumable

for signal in USR1 TERM INT; do
    held "$signal.h5" 9
    kill -"$signal" "$child"
    ended 75 "SIG$signal"
    says 'stopped by .*nothing is lost'
    gone "SIG$signal"
    resumed "$signal.h5" "SIG$signal"
done
# what a bundle has not answered is evaluated again
for signal in USR1 KILL; do
    held_bundle "bundle$signal.h5"
    kill -"$signal" "$child"
    if [ $signal = USR1 ]; then ended 75 "SIGUSR1 in a bundle"; else wait "$child" 2>/dev/null || true; fi
    gone "SIG$signal in a bundle"
    same "$("$python" "$here/journal.py" "bundle$signal.journal" 5)" 8 "results before SIG$signal"
    resumed "bundle$signal.h5" "SIG$signal in a bundle"
done
# the second signal leaves at once, without waiting for evaluations
held twice.h5 9
kill -INT "$child"
sleep 0.3
kill -INT "$child"
begin=$(date +%s%N)
ended 75 "a second signal"
[ $(($(date +%s%N) - begin)) -lt 3000000000 ] || complain "a second signal took seconds"
gone "a second signal"
resumed twice.h5 "a second signal"
# results so far can be looked at
run 0 "$sweep" small.ini -q -o TERM.h5
held look.h5 12
sleep 1.5
run 0 "$mico" report look.h5 -o look && prints 'look/report\.html'
kill -TERM "$child"
ended 75 "SIGTERM"
# a wall clock limit
MICO_FAULT=hang@12 run 75 "$sweep" small.ini -o clock.h5 --set study.wallclock=1s
says 'wall clock limit of'
resumed clock.h5 "the wall clock limit"

# ---- killed without a word

for trial in 0 3 17; do
    held kill$trial.h5 $trial
    kill -KILL "$child"
    wait "$child" 2>/dev/null || true
    gone "SIGKILL"
    resumed kill$trial.h5 "SIGKILL at trial $trial"
done
# at any moment, again and again: files are not torn, leftovers are cleaned up
for delay in 0.05 0.11 0.2 0.33 0.5 0.3 0.4; do
    start "$sweep" small.ini -q -o any.h5
    sleep $delay
    kill -KILL -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
done
resumed any.h5 "kills at any moment"
ls any.h5.tmp* any.journal.tmp* >left.txt 2>/dev/null && complain "left behind: $(cat left.txt)"
# order = arrival resumes too
MICO_FAULT=hang@9 start "$sweep" small.ini -q -o arrival.h5 --set run.order=arrival
wait_for_results arrival.journal 8 "$child"
kill -KILL "$child"
wait "$child" 2>/dev/null || true
run 0 "$sweep" small.ini -q -o arrival.h5 --set run.order=arrival --json
same "$(json 'j["trials"]')" 24 "order = arrival, killed and resumed"

# ---- one writer at a time

held lock.h5 5
run 75 "$sweep" small.ini -q -o lock.h5 && silent && one_message
says 'lock\.journal: another mico-sweep is running'
run 75 "$sweep" small.ini -q -o lock.h5 --fresh && one_message && says 'lock\.journal'
kill -TERM "$child"
ended 75 "the first of two writers"
resumed lock.h5 "a second writer"

# ---- a full disk (a limit on file sizes stands for it)

for kib in 1 8 12 40; do
    rm -f full.*
    code=0
    (ulimit -f $kib && exec timeout 60 "$sweep" small.ini -q -o full.h5) >out 2>err || code=$?
    what="a limit of $kib KiB on files"
    [ $code -eq 75 ] || { complain "exit code $code instead of 75: $what"; show; }
    says 'full\.(journal|h5)'
    resumed full.h5 "$what"
done
finish
