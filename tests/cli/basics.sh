#!/usr/bin/env bash
# What both programs answer without searching: help, versions, lists, the job in full, a dry
# run; usage errors; the fields of every JSON object. tests/cli/basics.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
commands=$("$mico" --help | sed -n 's/^  mico \([a-z]*\) .*/\1/p')

# ---- help, version, lists: on stdout, exit 0, nothing on stderr

for program in "$sweep" "$mico"; do
    run 0 "$program" --help && prints '^usage: ' && quiet
    run 0 "$program" --version && quiet
    prints "^$(basename "$program") [0-9]+\.[0-9]+\.[0-9]+ \(git "
    prints 'HDF5 1\.'
    run 2 "$program" && silent
done
run 0 "$sweep" no-such-job.ini --help && prints '^usage: '
for command in $commands; do
    run 0 "$mico" "$command" --help && quiet && prints "^usage: mico $command "
    run 2 "$mico" "$command" && silent && one_message && says "^mico $command: .*need"
    run 2 "$mico" "$command" --wrong-option && silent && one_message &&
        says "unknown option '--wrong-option'; try 'mico $command --help'"
done
[ "$(wc -w <<<"$commands")" -ge 5 ] || complain "mico --help names only: $commands"

for list in searchers targets kernels keys; do
    run 0 "$sweep" --list $list && quiet
    [ "$(wc -l <out)" -ge 3 ] || complain "--list $list is short"
done
run 0 "$sweep" --list searchers
for name in mico regevo random grid; do prints "^$name "; done
run 0 "$sweep" --list targets
for name in bops cbops size; do prints "^$name "; done
run 0 "$sweep" --list keys
for section in study net data space objective search run report sweep; do
    prints "^\[$section\]"
done
prints '^  path .*\(required\)'
run 2 "$sweep" --list wrong && silent && one_message
says 'searchers, targets, kernels or keys'

# Written to nowhere is no success.
if [ -w /dev/full ]; then
    for words in "$sweep --list keys" "$sweep small.ini --print-job" "$mico --help" \
        "$mico info $net --json"; do
        what="$words >/dev/full" code=0
        $words >/dev/full 2>err || code=$?
        [ $code -eq 2 ] || complain "exit code $code instead of 2: $what"
        says 'standard output'
    done
fi

# ---- usage errors

run 2 "$mico" inof "$net" && silent && one_message && says "did you mean 'info'"
run 2 "$mico" blub && silent && one_message && says "mico --help"
run 2 "$sweep" && silent && one_message && says 'a job file is needed'
run 2 "$sweep" small.ini small.ini && one_message && says 'more than one job file'
run 2 "$sweep" small.ini --dryrun && one_message && says "unknown option '--dryrun'.*--help"
run 2 "$sweep" small.ini -x && one_message && says "unknown option '-x'"
run 2 "$sweep" small.ini --fresh --resume && one_message && says 'exclude each other'
run 2 "$sweep" small.ini --progress maybe && one_message && says 'auto, always or never'
run 2 "$sweep" small.ini --only-study one && one_message && says 'only-study one'
run 2 "$sweep" small.ini --only-study 1 && one_message && says 'studies 0 to 0'
run 2 "$sweep" small.ini -o && one_message && says "no value behind '-o'"
run 2 "$sweep" small.ini --set && one_message && says "no value behind '--set'"
run 2 "$sweep" small.ini --set budget=3 && one_message && says 'section\.key=value'
run 2 "$sweep" small.ini --set study.bugdet=3 && one_message && says "did you mean 'budget'"
run 2 "$sweep" small.ini --set study.budget=0 && one_message && says 'budget'
run 2 "$sweep" small.ini --set search.method=micro && one_message && says "did you mean 'mico'"
run 2 "$sweep" small.ini --set 'objective.subject_to=bpos <= 9' && one_message &&
    says "did you mean 'bops'"
run 2 "$mico" cost "$net" --scheme w8a8 --target bop && one_message && says "did you mean 'bops'"
run 2 "$mico" eval "$net" --data data && one_message && says 'needs --scheme'
run 2 "$mico" eval "$net" --data data --scheme w8a8 --mode float && one_message &&
    says 'int, fake or fp32'
for n in 0 -1 x 99999999999999999999; do
    run 2 "$mico" eval "$net" --data data --scheme w8a8 --images $n && one_message
done
run 2 "$mico" eval "$net" --data data --scheme w8a8 --images 201 && one_message &&
    says 'test set has 200'
run 2 "$mico" info "$net" --scheme w8a8 && one_message && says '\-\-data'
[ ! -e results ] || complain "a usage error left results behind"

# ---- the job in full is a job, and its own full form

for job in small.ini "$source"/jobs/*.ini; do
    run 0 "$sweep" "$job" --print-job && quiet
    cp out full.ini
    run 0 "$sweep" full.ini --print-job
    # names come from the file where the job gives none
    diff <(grep -v '^name = ' full.ini) <(grep -v '^name = ' out) >diff.txt ||
        { complain "--print-job of $job is not stable"; cat diff.txt; }
done
printf '[sweep]\nsearch.method = mico, random\nstudy.seed = 1..2\n' | cat small.ini - >sweep.ini
run 0 "$sweep" sweep.ini --print-job && prints '^search.method'
cp out full.ini
run 0 "$sweep" full.ini --print-job
cmp -s out full.ini || complain "--print-job of a sweep is not stable"
# lines of any length, an axis whose last value is empty
{ cat small.ini; printf '[sweep]\nstudy.seed = 1..200\nobjective.subject_to = size <= 9KiB | \n'
    echo '  bops <= 0.5 of w8a8, size <= 8KiB | |'; } >long.ini
run 0 "$sweep" long.ini --print-job && quiet && prints '\| bops <= 0.5 of w8a8, size <= 8KiB \|\|$'
cp out full.ini
run 0 "$sweep" full.ini --print-job
cmp -s out full.ini || complain "--print-job of long lines is not stable"
run 0 "$sweep" small.ini --print-job --set study.budget=77 && prints '^budget = 77$'

# ---- dry run: everything is checked and shown, nothing is written

run 0 "$sweep" sweep.ini --dry-run && quiet
[ "$(grep -c '^study [0-3] ' out)" -eq 4 ] || complain "--dry-run does not show four studies"
prints 'limit bops <= 0.3 of w8a8: bops <= [0-9.e+]+ .*smallest possible [0-9]'
prints 'results would go to results/sweep\.h5'
run 2 "$sweep" small.ini --dry-run --set net.path=missing.onnx && one_message && silent &&
    says 'missing\.onnx'
[ ! -e results ] || complain "--dry-run left results behind"

# ---- JSON: what INTERFACES promise, and nothing else on stdout

run 0 "$sweep" small.ini --json -o r.h5
[ "$(wc -l <out)" -eq 1 ] || complain "more than one line on stdout: $what"
same "$(json 'sorted({"results","digest","trials","failed","best","seconds"} - set(j))')" '[]' \
    "fields missing in the JSON of mico-sweep"
same "$(json 'sorted({"trial","scheme","accuracy","cost"} - set(j["best"]))')" '[]' \
    "fields missing in best"
same "$(json 'len(j["digest"]), int(j["digest"], 16) > 0, j["results"], j["trials"], j["failed"]')" \
    "(16, True, 'r.h5', 24, 0)" "values in the JSON of mico-sweep"
same "$(json '0 < j["best"]["accuracy"] <= 1 and j["best"]["cost"]["bops"] > 0 and j["seconds"] > 0')" \
    True "best in the JSON of mico-sweep"
best=$(json 'j["best"]["scheme"]') bops=$(json 'int(j["best"]["cost"]["bops"])')
digest=$(json 'j["digest"]')
run 0 "$sweep" small.ini -o r.h5
same "$(digest_of)" "$digest" "digest of the summary"

run 0 "$mico" info "$net" --json && quiet
layers=$(json 'j["quantizable_layers"]')
same "$(json 'len([l for l in j["layers"] if "layer" in l])')" "$layers" "layers of info"
same "$(json 'sum(l.get("macs", 0) for l in j["layers"]) == j["macs"] > 0')" True "macs of info"
same "$(json 'sum(l.get("params", 0) for l in j["layers"]) == j["params"] > 0')" True \
    "params of info"
same "$(json 'all({"name", "kind", "in", "out"} <= set(l) for l in j["layers"])')" True \
    "fields of info"
macs=$(json 'j["macs"]')

run 0 "$mico" cost "$net" --scheme w8a8 --target bops --json && quiet
same "$(json 'j["target"], int(j["value"]), len(j["layers"])')" \
    "('bops', $((macs * 64)), $layers)" "bops of w8a8 are 64 a mac"
same "$(json 'sum(l["value"] for l in j["layers"]) == j["value"]')" True "layers of cost"
run 0 "$mico" cost "$net" --scheme "$best" --target bops --json
same "$(json 'int(j["value"])')" "$bops" "bops of the winner"
run 0 "$mico" cost "$net" --scheme w2a4 --target size && quiet && prints '^size '

run 0 "$mico" eval "$net" --data data --scheme w8a8 --images 100 --json && quiet
same "$(json 'j["images"], j["correct"] / 100 == j["accuracy"], j["loss"] > 0, j["seconds"] > 0')" \
    "(100, True, True, True)" "JSON of eval"
finish
