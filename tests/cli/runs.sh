#!/usr/bin/env bash
# Undisturbed runs: the same digest however often and however computed, resume of what is
# complete, sweeps, goals, every searcher, what the results file holds.
# tests/cli/runs.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
job() { run 0 "$sweep" small.ini -q "$@"; }
check_results() { # FILE [LEAST]
    local code=0
    "$python" "$here/check_results.py" "$@" >out 2>err || code=$?
    [ $code -eq 0 ] || [ $code -eq 77 ] || { complain "check_results.py $*"; cat out; show; }
}

# ---- one job, one digest

job -o a.h5
digest=$(digest_of)
[[ $digest =~ ^[0-9a-f]{16}$ ]] || complain "no digest in the summary"
prints 'best: trial [0-9]+ '
prints 'search split \(128 images\):  fp32 .* w8a8 .* best '
prints 'final split \(128 images\):  fp32 .* w8a8 .* best '
check_results a.h5 24
cp a.h5 kept.h5
job -o b.h5
same "$(digest_of)" "$digest" "a second run"
# the portable C kernels count the same answers as the fast ones
MICO_ISA=c job -o c.h5
same "$(digest_of)" "$digest" "MICO_ISA=c"
# neither does it matter which schemes are evaluated together, and how
for set in run.bundle=1 run.bundle=3 run.reuse=off run.keep=64MiB 'run.bundle=64 --set run.keep=100KiB'; do
    # shellcheck disable=SC2086 # two options
    job --fresh -o bundle.h5 --set $set
    same "$(digest_of)" "$digest" "$set"
done
run 2 "$sweep" small.ini -o left.h5 --set run.bundle=65 && silent && says 'bundle must be 0 to 64'
# what may differ between two places does not matter
(mkdir elsewhere && cd elsewhere && run 0 "$sweep" ../small.ini -q -o d.h5 \
    --set run.memory=4GiB --set report.title=Other --set run.flush=0s && cp out err ..)
same "$(digest_of)" "$digest" "another folder, inert keys"
# paths may be long, in the file and on the command line
deep=$(printf 'a_folder_with_a_long_name_%.0s' 1 2 3 4 5)
deep=$deep/$deep/$deep
mkdir -p "$deep" && ln -s "$work/data" "$deep/images" && ln -s "$net" "$deep/net.onnx"
sed "s|^path = data|path = $deep/images|; s|^path = /.*|path = $deep/net.onnx|" small.ini >deep.ini
run 0 "$sweep" deep.ini -q --json -o g.h5
best=$(json 'j["best"]')
run 0 "$sweep" small.ini -q --json -o h.h5 --set net.path="$deep/net.onnx" --set data.path="$deep/images"
same "$(json 'j["best"]')" "$best" "long paths on the command line and in the file"
# what matters does
job -o e.h5 --set study.seed=2
[ "$(digest_of)" != "$digest" ] || complain "another seed has the same digest"
job -o f.h5 --set data.search=train:129-256
[ "$(digest_of)" != "$digest" ] || complain "another split has the same digest"

# ---- complete results: nothing is evaluated again

for how in '' --resume; do
    MICO_FAULT=crash!@0 run 0 "$sweep" small.ini -o a.h5 $how
    same "$(digest_of)" "$digest" "complete results, $how"
done
same "$("$python" "$here/journal.py" a.journal 2)" 3 "starts in the journal"
same "$("$python" "$here/journal.py" a.journal 5)" 24 "results in the journal"
# the view comes back from the journal; inert keys may change
rm a.h5
job -o a.h5 --set run.flush=9s --set study.wallclock=1h
check_results a.h5 24
head -c 1000 b.h5 >cut.h5 && mv cut.h5 b.h5
run 2 "$mico" report b.h5 -o r && silent && one_message && says 'b\.h5'
job -o b.h5
check_results b.h5 24
job -o a.h5 --fresh
same "$(digest_of)" "$digest" "--fresh"
same "$("$python" "$here/journal.py" a.journal 2)" 1 "starts in a fresh journal"

# ---- a journal's torn tail is cut, the rest counts

for bytes in 1 7 300 5000; do
    cp a.journal torn.journal && rm -f torn.h5
    truncate -s -$bytes torn.journal
    job -o torn.h5
    same "$(digest_of)" "$digest" "journal without its last $bytes bytes"
done
cp a.journal torn.journal && head -c 100 /dev/urandom >>torn.journal
job -o torn.h5
same "$(digest_of)" "$digest" "journal with a tail of noise"

# ---- every searcher, goal and order

for method in $("$sweep" --list searchers | grep -v '(unavailable' | awk '{print $1}'); do
    job -o "m-$method.h5" --set search.method="$method" --json
    same "$(json 'j["trials"] >= 1 and j["failed"] == 0 and j["best"]["accuracy"] > 0')" True \
        "$method finds something"
    wanted=$(json 'j["best"]')
    check_results "m-$method.h5" 1
    job -o "n-$method.h5" --set search.method="$method" --set run.parallel=2 --set run.window=8 --json
    same "$(json 'j["best"]')" "$wanted" "$method: only the window matters, not parallel"
done
job -o pareto.h5 --set objective.goal=pareto --set objective.cost=size --json
check_results pareto.h5 24
job -o arrival.h5 --set run.order=arrival --json
same "$(json 'j["trials"]')" 24 "order = arrival"
arrival=$(json 'j["digest"]')
job -o arrival.h5 --set run.order=arrival --json
same "$(json 'j["digest"]')" "$arrival" "order = arrival, resumed when complete"
for set in space.first_last=8 space.tie=wa space.granularity=tensor space.weight_scale=mico \
    space.act_range=max space.act_range=percentile space.act_codes=unsigned \
    space.profile=dynamic space.profile=mico \
    'space.weight_bits=1,t,2-4' 'objective.subject_to='; do
    job -o set.h5 --fresh --set study.budget=8 --set "$set" --json
    same "$(json 'j["trials"], j["failed"]')" "(8, 0)" "--set $set"
done
job -o first.h5 --set study.budget=8 --set space.first_last=8 --json
same "$(json '[j["best"]["scheme"].split(",")[i] for i in (0, -1)]')" "['8/8', '8/8']" first_last
job -o tied.h5 --set study.budget=8 --set space.tie=wa --json
same "$(json 'all(p.split("/")[0] == p.split("/")[1] for p in j["best"]["scheme"].split(","))')" \
    True "tie = wa"
pairs='(lambda p: [p[i] == p[i - 2] if i >= 2 else True for i in range(len(p) // 2 * 2)])(j["best"]["scheme"].split(","))'
job -o place.h5 --set study.budget=8 --set space.groups=position:2 --json
same "$(json "all($pairs)")" True "groups = position:2"
pairs='(lambda p: [p[i] == p[i - i % 2] for i in range(len(p))])(j["best"]["scheme"].split(","))'
job -o block.h5 --set study.budget=8 --set space.groups=block:2 --set space.tie=wa --json
same "$(json "all($pairs)")" True "groups = block:2"
same "$(json 'all(p.split("/")[0] == p.split("/")[1] for p in j["best"]["scheme"].split(","))')" \
    True "groups = block:2 and tie = wa"
run 2 "$sweep" small.ini --dry-run --set space.groups=block:99
says '\[space\] groups = block:99: must be none, block:N or position:N'

# ---- a space smaller than the budget ends by itself

job -o few.h5 --set space.weight_bits=4,8 --set space.act_bits=8 --set space.tie=none \
    --set objective.subject_to= --set search.method=grid --set space.first_last=8 --json
same "$(json 'j["trials"] <= 24')" True "a small space"
job -o two.h5 --set space.weight_bits=8 --set space.act_bits=8 --set objective.subject_to= --json
same "$(json 'j["trials"]')" 1 "a space of one scheme"

# ---- sweeps: one file for all studies; one study alone gives its numbers

printf '[sweep]\nsearch.method = random, regevo\nstudy.seed = 1..2\n' | cat small.ini - >sweep.ini
run 0 "$sweep" sweep.ini -q --json --set study.budget=10
same "$(json 'len(j["studies"]), j["trials"], j["results"]')" "(4, 40, 'results/sweep.h5')" \
    "studies of a sweep"
sum=$(json 'j["digest"]') third=$(json 'j["studies"][2]["best"]["scheme"]')
check_results results/sweep.h5 10
run 0 "$sweep" sweep.ini -q --json --set study.budget=10
same "$(json 'j["digest"]')" "$sum" "a sweep again"
run 0 "$sweep" sweep.ini -q --json --set study.budget=10 --only-study 2
same "$(json 'j["results"], j["trials"], j["studies"][2]["best"]["scheme"]')" \
    "('results/sweep-s2.h5', 10, '$third')" "--only-study"
run 2 "$sweep" sweep.ini --only-study 4 && one_message && says 'studies 0 to 3'

# ---- progress is on stderr, never on stdout; quiet is quiet

run 0 "$sweep" small.ini -o p.h5 --progress always --json
same "$(wc -l <out)" 1 "lines on stdout"
says 'trials/s'
run 0 "$sweep" small.ini -o q.h5 -q && quiet
run 0 "$sweep" small.ini -o s.h5 --progress never
grep -q 'trials/s' err && complain "--progress never shows progress"
finish
