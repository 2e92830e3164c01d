#!/usr/bin/env bash
# Evaluations that crash, hang, run out of memory or talk nonsense cost their trial and
# nothing else. MICO_FAULT (src/wire/evaluator.c) makes them do so at chosen trials.
# tests/cli/faults.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
run 0 "$sweep" small.ini -q -o whole.h5
digest=$(digest_of)

# column NAME TRIAL of a report's table of trials
column() {
    "$python" -c 'import csv, glob, sys
rows = list(csv.DictReader(open(glob.glob("report/*-trials.csv")[0])))
print(rows[int(sys.argv[2])][sys.argv[1]])' "$@"
}
report() {
    rm -rf report
    run 0 "$mico" report "$1" -o report
}

# ---- one bad attempt: tried again, the same result

for kind in crash exit; do
    MICO_FAULT=$kind@5 run 0 "$sweep" small.ini -o once-$kind.h5
    says 'trial 5: .*attempt 2 of 2'
    same "$(digest_of)" "$digest" "one $kind"
done

# ---- failures are recorded with their class, the rest goes on

MICO_FAULT='crash!@3,exit!@4,hang@6,oom@8,garbage@11' run 0 "$sweep" small.ini -q --json \
    -o bad.h5 --set run.timeout=1s
same "$(json 'j["failed"], j["trials"]')" "(5, 29)" "failed trials are replaced"
failed=$(json 'j["digest"]')
report bad.h5
for pair in 0:done 3:crashed 4:crashed 6:timeout 8:out-of-memory 11:bad-output 28:done; do
    same "$(column state "${pair%:*}")" "${pair#*:}" "state of trial ${pair%:*}"
done
for pair in 3:SIGSEGV '4:exit code 3' '6:after 1.0 s' '8:no memory'; do
    [[ $(column reason "${pair%%:*}") == *"${pair#*:}"* ]] ||
        complain "reason of trial ${pair%%:*}: $(column reason "${pair%%:*}")"
done
if "$python" -c 'import h5py, xarray' 2>/dev/null; then
    run 0 "$python" "$here/check_results.py" bad.h5 24
    run 0 "$python" -c '
import h5py
s = h5py.File("bad.h5")["studies"]["small"]
print(",".join(str(x) for x in s["state"][:12]), s["attempts"][3], s["attempts"][6])'
    prints '^1,1,1,3,3,1,4,1,5,1,1,6 2 1$'
fi
# every way to make bundles ends the same: who was in one with the culprit loses nothing
for bundle in 1 3; do
    MICO_FAULT='crash!@3,exit!@4,hang@6,oom@8,garbage@11' run 0 "$sweep" small.ini -o bundle.h5 \
        --fresh --set run.timeout=1s --set run.bundle=$bundle --progress never
    same "$(digest_of)" "$failed" "failed trials, bundles of $bundle"
    [ $bundle = 1 ] || says 'trial [0-9]+ in a bundle of 3: crashed \(SIGSEGV\); 3 are tried alone'
done
# once recorded they stay so: a resumed run does not try them again
run 0 "$sweep" small.ini -q --json -o bad.h5 --set run.timeout=1s
same "$(json 'j["digest"]')" "$failed" "resumed with failed trials"
# the same failures give the same trace, killed half way or not
MICO_FAULT='crash!@3,oom@8,garbage@11' run 0 "$sweep" small.ini -q -o straight.h5
failed=$(digest_of)
MICO_FAULT='crash!@3,oom@8,garbage@11,hang@15' start "$sweep" small.ini -q -o half.h5
wait_for_results half.journal 15 "$child"
kill -KILL "$child"
wait "$child" 2>/dev/null || true
run 0 "$sweep" small.ini -q -o half.h5
same "$(digest_of)" "$failed" "failures, then a kill"

# ---- too many

faults=$(for i in $(seq 0 40); do printf 'crash!@%d,' $i; done)
MICO_FAULT=$faults run 1 "$sweep" small.ini -q -o many.h5 --set run.max_failures=6
says 'study small: 6 trials in a row failed; the last: crashed \(SIGSEGV\)'
run 0 "$mico" report many.h5 -o many
MICO_FAULT=$faults run 1 "$sweep" small.ini -q -o all.h5 --set run.max_failures=0 \
    --set search.method=grid --set space.weight_bits=4,8 --set space.act_bits=8 \
    --set space.first_last=8 --set objective.subject_to= --json
says 'no trial could be evaluated'
same "$(json 'j["best"]')" None "best where all failed"
# one study that fails does not keep the others from running
printf '[sweep]\nstudy.seed = 1..2\n' | cat small.ini - >sweep.ini
MICO_FAULT=$faults run 1 "$sweep" sweep.ini -q -o two.h5 --set run.max_failures=4 --json
same "$(json 'len(j["studies"])')" 2 "both studies are reported"
[ "$(grep -c 'trials in a row failed' err)" -eq 2 ] || complain "not both studies were tried"

# ---- faults outside the search: calibration and references are tried again

# (their tickets count down from the highest number; the second is a reference, then the winner)
MICO_FAULT=crash@18446744073709551614,crash@18446744073709551613 run 0 "$sweep" small.ini \
    -o calib.h5
same "$(grep -c 'SIGSEGV; trying again' err)" 3 "crashes beside the search"
same "$(digest_of)" "$digest" "crashes beside the search"
MICO_FAULT=crash!@18446744073709551614 run 2 "$sweep" small.ini -q -o calib2.h5
says 'calibration: crashed: SIGSEGV'

# ---- real limits (AddressSanitizer cannot live under a limit on addresses)

if ! grep -q __asan_init "$sweep"; then
    run 0 "$sweep" small.ini -q -o m.h5 --set run.memory=2GiB
    same "$(digest_of)" "$digest" "a generous memory limit"
    run 2 "$sweep" small.ini -q -o m2.h5 --set run.memory=1MiB && silent && one_message
    says '\[run\] memory = 1 MiB is too little: '
    run 0 "$sweep" small.ini -q -o m2.h5
    same "$(digest_of)" "$digest" "resumed with enough memory"
fi
finish
