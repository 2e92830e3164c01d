#!/usr/bin/env bash
# mico compare --selftest: searchers on problems whose optimum is known.
# tests/cli/selftest.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"

run 2 "$mico" compare --selftest labs-12 && silent && one_message && says "did you mean 'labs-13'"
run 2 "$mico" compare --selftest labs-13 nothing && silent && one_message && says "'nothing' is not known"
run 2 "$mico" compare --selftest labs --methods randon && silent && one_message && says "did you mean 'random'"
run 2 "$mico" compare --selftest labs --methods '' && silent && one_message && says 'needs 1 to 63 searchers'
run 2 "$mico" compare --selftest labs --seeds 1001 && silent && one_message && says 'up to 1000 seeds'
run 2 "$mico" compare --selftest labs --limits 0.5 && silent && one_message && says 'goes with --methods'
run 2 "$mico" compare --selftest hawq-resnet18 && silent && one_message && says 'needs the folder'
run 2 "$mico" compare --selftest hawq-resnet18 --data nothere && silent && one_message && says 'nothere/hawqv3_resnet18.csv'
run 2 "$mico" compare small.ini --budget 3 && silent && one_message && says 'are for --selftest'

# the same in one process and in three; grid visits all of 2^13
run 0 "$mico" compare --selftest labs-13 --methods grid,nsga2,random --seeds 3 --budget 9000 -j 1 --json && quiet
cp out one
same "$(json '[m["best"] for m in j["problems"][0]["methods"]]')" '[[6.0, 6.0, 6.0], [6.0, 6.0, 6.0], [6.0, 6.0, 6.0]]' \
    'LABS of length 13'
run 0 "$mico" compare --selftest labs-13 --methods grid,nsga2,random --seeds 3 --budget 9000 -j 3 --json && quiet
cmp -s one out || complain 'one process and three differ'

run 2 "$mico" compare --selftest labs-1 && silent && one_message && says "'labs-1' is not known"
run 0 "$mico" compare --selftest zdt labs-13 --methods random --seeds 1 --budget 1 --json && quiet
same "$(json '[p["problem"] for p in j["problems"]]')" "['labs-13', 'zdt-1', 'zdt-2', 'zdt-3', 'zdt-4']" 'problems of a family'

run 0 "$mico" compare --selftest contamination --methods nsga2,random --seeds 2 --budget 40 && quiet
prints '^ +optimum +nsga2 +random$'
prints '^contamination-1e-4 +21\.2915 +0 +\+[0-9.]+% +0 +\+[0-9.]+%$'
if [ -e "$shared/data/hawq/hawqv3_resnet18.csv" ]; then
    run 0 "$mico" compare --selftest hawq-resnet18-bops-0.5 --data "$shared/data/hawq" --methods nsga2 --budget 2000 --json && quiet
    json 'all(abs(b - 0.215689323) < 6e-10 for b in j["problems"][0]["methods"][0]["best"])' | grep -q True ||
        complain 'HAWQ-V3 without its optimum'
fi
finish
