#!/usr/bin/env bash
# Whatever is handed in: one clear message, the right exit code, no crash, nothing left
# behind. tests/cli/bad_input.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"
"$python" "$here/make_data.py" broken broken "$net"

# refused CODE PATTERN command...: one message that has the pattern, nothing else
refused() {
    local code=$1 pattern=$2
    shift 2
    run "$code" "$@"
    silent
    one_message
    says "$pattern"
}
sweep_refused() { # CODE PATTERN options...: of the small job
    local code=$1 pattern=$2
    shift 2
    refused "$code" "$pattern" "$sweep" small.ini -q -o left/r.h5 "$@"
}
all=(--scheme w8a8)

# ---- files that are missing or something else

refused 2 'missing\.ini: .*[Nn]o such' "$sweep" missing.ini -o left/r.h5
refused 2 'folder: is a folder' "$sweep" broken/folder -o left/r.h5
sweep_refused 2 'missing\.onnx: .*[Nn]o such' --set net.path=missing.onnx
sweep_refused 2 'missing: .*[Nn]o such' --set data.path=missing
refused 2 'missing\.h5: .*[Nn]o such' "$mico" info missing.h5
refused 2 'missing: .*[Nn]o such' "$mico" eval "$net" --data missing "${all[@]}"
refused 2 'missing\.h5' "$mico" report missing.h5 -o left

for file in text picture.png noise hdf5.h5 empty folder cut01.onnx cut03.onnx cut10.onnx \
    cut25.onnx cut50.onnx cut75.onnx cut99.onnx cut-one.onnx; do
    refused 2 "broken/$file: is .*(network|model|folder)" "$mico" info broken/$file
done
for file in text picture.png cut50.onnx hdf5.h5; do
    sweep_refused 2 "broken/$file" --set net.path=broken/$file
    refused 2 "broken/$file" "$mico" import broken/$file -o left.h5
done
for file in text picture.png noise hdf5.h5 empty folder; do
    refused 2 "broken/$file" "$mico" eval "$net" "${all[@]}" --data broken/$file
    sweep_refused 2 "broken/$file" --set data.path=broken/$file
done
for file in text picture.png noise hdf5.h5 empty; do
    refused 2 "broken/$file" "$mico" report broken/$file -o left
done
refused 2 "$(basename "$net")" "$mico" report "$net" -o left
# a results file is HDF5 too, but neither a network nor data
run 0 "$sweep" small.ini -q -o good.h5 --set study.budget=3
refused 2 'good\.h5' "$mico" info good.h5
refused 2 'good\.h5' "$mico" eval "$net" "${all[@]}" --data good.h5
refused 2 'good\.journal' "$mico" report good.journal -o left

# ---- data that do not add up

for set in wide short long; do
    refused 2 "broken/$set-images: .*(too early|too many)" "$mico" eval "$net" "${all[@]}" \
        --data broken/$set-images,broken/$set-labels
done
for pair in unequal-images,unequal-labels:'19 labels for 20 images' \
    none-images,none-labels:'no images' type-images,type-labels:'type-images' \
    cut-images.gz,good-labels:'compressed data' good-images,cut-images.gz:'compressed data' \
    label-images,label-labels:'label-images.*labels up to 10 .* has 10 outputs' \
    colour-x.npy,two-y.npy:'colour-x.*images of 3x32x32 .* takes 1x28x28' \
    nan-x.npy,two-y.npy:'nan-x.npy: image 1: value 100 is not' \
    good-images,half-y.npy:'half-y.npy' python-x.npy,two-y.npy:'python-x.npy'; do
    files=${pair%%:*} pattern=${pair#*:}
    files=broken/${files/,/,broken/}
    refused 2 "$pattern" "$mico" eval "$net" "${all[@]}" --data "$files"
    sweep_refused 2 "$pattern" --set data.path="$files"
done
refused 2 'cifar.*images of 3x32x32 do not fit network' "$mico" eval "$net" "${all[@]}" \
    --data broken/cifar
for split in train:0-600 train:5-4 valid:0-3 test:0-200 train:a-b ''; do
    sweep_refused 2 'search' --set "data.search=$split"
done
sweep_refused 2 '(overlap|share)' --set data.search=train:100-200
sweep_refused 2 'mul' --set net.mul=x
sweep_refused 2 '2 factors for 1 input channel' --set net.mul=1,2
sweep_refused 2 '(mul|add|finite|number)' --set net.add=nan
sweep_refused 2 'transform|spin' --set data.transform=spin

# ---- operators: all that are not supported, at once

refused 2 "2 nodes are not supported: Sigmoid 'sigmoid_a', Tanh 'tanh_b'" \
    "$mico" import "$source/tests/fuzz/corpus/onnx/unsupported.onnx" -o left.h5
sweep_refused 2 'Sigmoid.*Tanh' --set net.path="$source/tests/fuzz/corpus/onnx/unsupported.onnx"
sweep_refused 2 'no quantizable layer' --set net.path="$source/tests/fuzz/corpus/onnx/pools.onnx"
refused 2 'broken/folder/x/left\.h5|left\.h5' "$mico" import "$net" -o broken/text/left.h5

# ---- schemes

run 0 "$mico" info "$net" --json
layers=$(json 'j["quantizable_layers"]')
for scheme in w9a8 w8 a8w8 8/8/8 8-8 '' mico: mico:8 'mico:8,9' w0a8 wta99 8/8, ,8/8; do
    refused 2 '[Ss]cheme' "$mico" cost "$net" --target bops --scheme "$scheme"
done
refused 2 "(of|has|for) $layers" "$mico" cost "$net" --target bops --scheme 8/8
refused 2 "(of|has|for) $layers" "$mico" eval "$net" --data data --scheme "$(yes 8/8 | head -n $((layers + 1)) | paste -sd,)"
refused 2 '[Ss]cheme' "$mico" cost "$net" --target bops --scheme "$(yes 8/8 | head -n 5000 | paste -sd,)"
sweep_refused 2 'reference' --set objective.reference=8/8
sweep_refused 2 'weight_bits' --set space.weight_bits=9
sweep_refused 2 'act_bits' --set space.act_bits=
sweep_refused 2 'first_last' --set space.first_last=9

# ---- job files: every error, with its line

cat >errors.ini <<'INI'
budget = 3
[study]
bugdet = 5
seed = minus
budget = 10
budget = 11
[nett]
path = x
[search]
method = mico
trees = -1
[space]
tie = maybe
just words
[run]
timeout = soon
memory = lots
[sweep]
search.methd = a, b
INI
run 2 "$sweep" errors.ini -o left/r.h5 && silent
for line in 1 3 4 6 7 8 11 13 14 16 17 19; do
    [ $line -eq 7 ] || says "errors\.ini:$line: "
done
says "3: unknown key 'bugdet'.*did you mean 'budget'"
says '6: .*budget.* line 5'
says "unknown section \[nett\].*did you mean \[net\]"
says '\[net\] path is missing'
says '\[data\] path is missing'
says "19: .*search\.method|19: .*methd"
# however many they are
{ echo '[study]'; for i in $(seq 60); do echo "wrong_key_number_$i = 1"; done; } >many.ini
run 2 "$sweep" many.ini -o left/r.h5 && silent
[ "$(grep -c 'unknown key' err)" -eq 60 ] ||
    complain "$(grep -c 'unknown key' err) of 60 errors were told"
run 2 "$sweep" many.ini --print-job && silent
[ "$(grep -c 'unknown key' err)" -eq 60 ] || complain "--print-job tells not all errors"
for file in picture.png noise text empty; do
    run 2 "$sweep" broken/$file -o left/r.h5 && silent && says "broken/$file"
done
head -c 3000000 /dev/zero | tr '\0' ';' >huge.ini
run 2 "$sweep" huge.ini -o left/r.h5 && silent && says 'huge\.ini'
# what would read differently in the stored job
sweep_refused 2 'title: a value is one line' --set $'report.title=a\n[study]\nbudget=1'
sweep_refused 2 'title: a value is one line' --set 'report.title=a ; b'
sweep_refused 2 'study: no|sweep|name' --set 'sweep.objective.subject_to=;x | ;y'
# values that fit no number, and sweeps beyond measure
sweep_refused 2 'budget' --set study.budget=99999999999999999999
sweep_refused 2 'percentile' --set space.act_range=percentile --set space.percentile=nan
sweep_refused 2 'percentile' --set space.act_range=percentile --set space.percentile=7
sweep_refused 2 'timeout' --set run.timeout=-3s
sweep_refused 2 'sweep|studies' --set sweep.study.seed=1..99999999
sweep_refused 2 'candidates' --set search.candidates=0
sweep_refused 2 'population' --set search.method=regevo --set search.population=1 \
    --set search.tournament=1
sweep_refused 2 'parallel|window' --set run.parallel=0

# ---- limits that cannot be met: a request, so exit 1

sweep_refused 1 'bops' --set 'objective.subject_to=bops <= 0.001 of w8a8'
sweep_refused 1 'size' --set 'objective.subject_to=size <= 1B'
for limit in 'bops < 3' 'bops <= x' 'bops <= -1' 'bops <= nan' 'bops <= 5 of w9a9' \
    'bops <= 1KiB' 'bops' '<= 4' 'bops <= 0.5 of'; do
    sweep_refused 2 'subject_to' --set "objective.subject_to=$limit"
done
sweep_refused 1 'size.*least.*[0-9]|smallest.*[0-9]' --set 'objective.subject_to=size <= 1KiB'
# a limit that hardly anything meets is met all the same
run 0 "$sweep" small.ini -q --json -o tight.h5 --set study.budget=2 \
    --set 'objective.subject_to=bops <= 0.064 of w8a8'
run 0 "$mico" cost "$net" --scheme "$(json 'j["best"]["scheme"]')" --target bops --json
tight=$(json 'j["value"]')
run 0 "$mico" cost "$net" --scheme w8a8 --target bops --json
same "$(json "$tight <= 0.064 * j['value']")" True "a tight limit is met"

# ---- results that cannot be written

# (root may write everywhere, so permissions are no test)
refused 2 'small\.ini' "$sweep" small.ini -q -o small.ini/sub/r.h5
[ ! -d /proc/self ] || refused 2 '/proc/' "$sweep" small.ini -q -o /proc/no/r.h5
mkdir taken
refused 2 'taken: is a folder' "$sweep" small.ini -q -o taken
refused 2 'folder|names no' "$sweep" small.ini -q -o taken/
refused 2 'journal' "$sweep" small.ini -q -o r.journal
refused 2 'too long' "$sweep" small.ini -q -o "$(printf 'x%.0s' $(seq 5000)).h5"
refused 2 'nothing to resume' "$sweep" small.ini -q -o new.h5 --resume
refused 2 'text' "$mico" report good.h5 -o broken/text/sub

# results of another job are not overwritten
cp good.journal before
refused 2 'good\.journal: .*another run.*the job.*--fresh' "$sweep" small.ini -q -o good.h5
cmp -s good.journal before || complain "the journal of another job was changed"
cp broken/noise foreign.journal
refused 2 'foreign\.journal' "$sweep" small.ini -q -o foreign.h5
cmp -s broken/noise foreign.journal || complain "a file that is no journal was changed"

for left in left left.h5 results new.h5 new.journal foreign.h5 taken/* core*; do
    [ ! -e "$left" ] || complain "left behind: $left"
done
ls ./*.tmp* broken/*.tmp* >left.txt 2>/dev/null && complain "left behind: $(cat left.txt)"
finish
