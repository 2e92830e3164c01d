#!/usr/bin/env bash
# Tables of every scheme: made in processes and by mico-sweep under MPI, killed and resumed, equal to
# single evaluations; trials looked up in them; searchers compared on them.
# tests/cli/tables.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" # Open MPI leaks

# 1,296 schemes: the network's inner layers where it has six, else all of five
cat >table.ini <<INI
[net]
path = $net
[data]
path = data
calibration = train:0-127
search = test:0-127
final = train:128-255
[space]
weight_bits = 2,4,8
act_bits = 4,8
first_last = 8
INI
field() { # FILE EXPRESSION over the h5py file f
    "$python" -c 'import h5py, sys
f = h5py.File(sys.argv[1])
print(eval(sys.argv[2]))' "$1" "$2" || complain "h5py: $2 of $1"
}

# ---- what cannot be a table

run 2 "$mico" bench-table && silent && one_message && says 'needs one job or results file'
run 2 "$mico" bench-table nothere.ini && silent && one_message && says 'nothere\.ini'
run 2 "$mico" bench-table table.ini --jobs 0 && silent && one_message && says 'jobs must be a whole number above 0'
run 2 "$mico" bench-table table.ini --set space.weight_bits=1-8 --set space.act_bits=1-8 \
    --set space.first_last=free && silent && one_message && says 'schemes, more than 16777216'
run 2 "$mico" bench-table table.ini --set sweep.study.seed=1..2 && silent && one_message &&
    says 'makes 2 studies; a table is made of one'
run 2 "$mico" bench-table table.ini --set space.weight_bits=9 && silent && says 'weight_bits'
run 2 "$mico" bench-table small.ini -o /dev/full/x.h5 && silent && one_message

# ---- made, killed, resumed; in one process and in two

run 0 "$mico" bench-table table.ini -o one.h5 --jobs 1 --loss --json
digest=$(json 'j["digest"]') schemes=$(json 'j["schemes"]')
[ ! -e one.h5.partial ] || complain "the partial file is still there"
run 0 "$mico" bench-table table.ini -o two.h5 --jobs 2 --json
same "$(json 'j["digest"]')" "$digest" "digest of two processes"
same "$(field two.h5 '"loss" in f')" False "a table without --loss has losses"
start "$mico" bench-table table.ini -o killed.h5 --jobs 1
for _ in $(seq 600); do
    [ "$(stat -c %s killed.h5.partial 2>/dev/null || echo 0)" -gt 6000 ] && break
    kill -0 "$child" 2>/dev/null || break
    sleep 0.01
done
kill -KILL "$child" 2>/dev/null || true
wait "$child" 2>/dev/null || true
if [ -e killed.h5.partial ] && [ ! -e killed.h5 ]; then
    cp killed.h5.partial torn.h5.partial && truncate -s -5 torn.h5.partial
    run 2 "$mico" bench-table table.ini -o killed.h5 --set data.search=test:0-99 && silent &&
        one_message && says 'belongs to another job.*--fresh starts over'
    run 0 "$mico" bench-table table.ini -o killed.h5 && says 'going on behind [1-9]'
    same "$(digest_of)" "$digest" "digest behind a kill"
    run 0 "$mico" bench-table table.ini -o torn.h5 --json
    same "$(json 'j["digest"]')" "$digest" "digest behind a torn tail"
else
    echo "too fast to be killed halfway"
fi

# ---- the same from a run of mico-sweep, alone and under MPI

for launcher in "" "mpirun -n 2"; do
    # shellcheck disable=SC2086
    run 0 $launcher "$sweep" table.ini -q --fresh -o grid.h5 --set search.method=grid \
        --set study.budget=$((schemes + 5)) --set run.window=600
    run 0 "$mico" bench-table grid.h5 -o grid-table.h5 --json
    same "$(json 'j["digest"]')" "$digest" "digest by '${launcher:-alone}' mico-sweep"
done
run 0 "$sweep" table.ini -q --fresh -o part.h5 --set search.method=grid --set study.budget=50
run 1 "$mico" bench-table part.h5 -o x.h5 && silent && one_message && says "$((schemes - 50)) of $schemes schemes have no result"
run 0 "$sweep" table.ini -q --fresh -o several.h5 --set study.budget=3 --set sweep.search.method=random,grid
run 2 "$mico" bench-table several.h5 -o x.h5 && silent && one_message && says 'has 2 studies'

# ---- entries are what single evaluations say

run 0 "$mico" info "$net" --json
layers=$(json 'j["quantizable_layers"]')
for pick in 0 1 7 100 777 $((schemes - 1)); do
    scheme=$(field one.h5 "(lambda o, v: ','.join('%d/%d' % (o[v[l]], o[v[$layers + l]]) for l in range($layers)))((lambda lev: [int(f['problem/options'][i][lev[i]]) for i in range(len(lev))])((lambda n: __import__('numpy').unravel_index($pick, n))([sum(1 for w in r if w) for r in f['problem/options'][:]])), [int(x) for x in f['problem/variable_of'][:]])")
    run 0 "$mico" eval "$net" --data data --calibration train:0-127 --images 128 --json --scheme "$scheme"
    same "$(json '(j["correct"], j["loss"])')" \
        "$(field one.h5 "(int(f['correct'][$pick]), float(f['loss'][$pick]))")" "scheme $scheme"
done

# ---- trials are looked up, on any number of ranks

cat >lookup.ini <<INI
[study]
budget = 60
[net]
table = one.h5
[objective]
subject_to = bops <= 0.5 of w8a8
[search]
method = regevo
[run]
window = 4
INI
run 0 "$sweep" lookup.ini --dry-run && prints "looked up in a table of $schemes schemes"
run 0 "$sweep" lookup.ini -q --fresh -o looked.h5
wanted=$(digest_of)
run 0 "$sweep" lookup.ini --dry-run --set space.tie=wa --set space.weight_bits=4,8 --set space.act_bits=4,8
inner=$(field one.h5 'sum(1 for row in f["problem/options"][:] if sum(1 for w in row if w) > 1) // 2')
prints " $layers variables, $((1 << inner)) schemes"
run 0 "$sweep" lookup.ini -q --fresh -o tied.h5 --set space.tie=wa --set space.weight_bits=4,8 --set space.act_bits=4,8 \
    --set search.method=grid --set objective.subject_to= --json
same "$(json 'j["trials"]')" $((1 << inner)) "trials of the tied part of a table"
run 0 mpirun -n 2 "$sweep" lookup.ini -q --fresh -o looked2.h5
same "$(digest_of)" "$wanted" "digest of a looked-up run on two ranks"
run 2 "$sweep" lookup.ini --set net.table=nothere.h5 && silent && one_message && says '\[net\] table: .*nothere\.h5'
run 2 "$sweep" lookup.ini --set net.table= && silent && says '\[net\] path is missing'
head -c 20000 one.h5 >cut.h5
run 2 "$sweep" lookup.ini --set net.table=cut.h5 && silent && one_message && says 'cut\.h5: has no seal'
run 2 "$sweep" lookup.ini --set net.table=grid.h5 && silent && one_message && says 'not a table of mico bench-table'
run 2 "$sweep" lookup.ini --set space.weight_bits=3,5 --set space.first_last=free && silent && one_message &&
    says 'allows no width of the table for the weights of layer 0'
run 2 "$mico" bench-table lookup.ini -o x.h5 && silent && one_message && says 'is a table already'

# ---- searchers compared

run 2 "$mico" compare && silent && one_message && says 'needs one job file'
run 2 "$mico" compare table.ini && silent && one_message && says '\[net\] table is missing'
run 2 "$mico" compare lookup.ini --methods randm && silent && one_message && says "did you mean 'random'"
run 2 "$mico" compare lookup.ini --methods xyzzy && silent && one_message && says 'there are .*regevo.*random'
run 2 "$mico" compare lookup.ini --limits x && silent && one_message && says "'x' is not a share"
run 1 "$mico" compare lookup.ini --methods random --limits 0.001 && silent && one_message && says 'no scheme of the space'
run 2 "$mico" compare lookup.ini --methods random,random && silent && says 'studies'
words="--methods random,regevo --seeds 3 --limits 0.3,0.5"
# shellcheck disable=SC2086
run 0 "$mico" compare lookup.ini $words -o cmp1 -j 1 && prints '^one, bops <= 0\.3 of w8a8: optimum ' &&
    prints '^  regevo .*' && prints '^Friedman'
# shellcheck disable=SC2086
run 0 "$mico" compare lookup.ini $words -o cmp2 -j 2 --json
same "$(json '[len(j["cases"]), j["seeds"], sorted(j["mean_ranks"])]')" "[2, 3, ['random', 'regevo']]" "JSON of compare"
runs() { # without the times
    "$python" -c 'import csv, sys
for row in csv.reader(open(sys.argv[1])):
    print(row[:5] + row[6:])' "$1/runs.csv"
}
same "$(runs cmp1)" "$(runs cmp2)" "runs in one and two processes"
same "$(wc -l <cmp1/runs.csv)" 13 "lines of runs.csv"
# what mico-sweep finds, one evaluation after the other
same "$("$python" -c 'import csv
print([r["improvements"] for r in csv.DictReader(open("cmp1/runs.csv"))
       if r["method"] == "regevo" and r["seed"] == "1" and "0.5" in r["case"]][0])')" \
    "$("$python" - <<'PY'
import h5py
s = list(h5py.File("looked.h5")["studies"].values())[0]
best, n, out = 0, 0, []
for dup, ok, c in zip(s["dup_of"][:] if "dup_of" in s else s["duplicate_of"][:], s["feasible"][:], s["correct"][:]):
    if dup >= 0:
        continue
    n += 1
    if ok and c > best:
        best = c
        out.append("%d:%d" % (n, c))
print(";".join(out))
PY
)" "the search of compare and of mico-sweep"
# shellcheck disable=SC2086
run 0 "$mico" compare lookup.ini $words --set study.budget=5000 -o cmp3 --json # more than there are
same "$(json 'all(m["to_optimum"]["runs"] == 3 for c in j["cases"] for m in c["methods"] if m["method"] == "random")')" \
    True "random search that sees every scheme finds the optimum"
sed 's/,random,/,other,/; /,regevo,/d' cmp1/runs.csv >other.csv
# shellcheck disable=SC2086
run 0 "$mico" compare lookup.ini $words -o cmp4 --also other.csv --json
same "$(json '[[m[k] for k in ("to_optimum", "to_0.1", "to_0.5", "regret")] for m in j["cases"][0]["methods"] if m["method"] != "regevo"][0] == [[m[k] for k in ("to_optimum", "to_0.1", "to_0.5", "regret")] for m in j["cases"][0]["methods"] if m["method"] == "other"][0]')" \
    True "runs of another program, read back"

finish
