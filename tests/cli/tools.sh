#!/usr/bin/env bash
# mico: import and eval agree with the model, integer and fake arithmetic with each other,
# plans and reports can be read, published accuracies come out where the models are at hand.
# tests/cli/tools.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"

# ---- import: the file stands for the model

run 0 "$mico" import "$net" -o net.h5 && silent && one_message && says 'net\.h5: [0-9]+ nodes'
run 0 "$mico" info "$net" --json && mv out onnx.json
run 0 "$mico" info net.h5 --json
same "$(json 'dict(j, name="") == dict(json.load(open("onnx.json")), name="")')" True \
    "info of the model and of its import"
for words in "--mode fp32" "--scheme w8a8" "--scheme w4a8 --mode fake" \
    "--scheme w3a4 --act-codes unsigned --granularity tensor" \
    "--scheme wta5 --weight-scale mico --act-range max"; do
    # shellcheck disable=SC2086
    run 0 "$mico" eval "$net" --data data $words --json
    wanted=$(json '(j["images"], j["correct"], j["loss"])')
    # shellcheck disable=SC2086
    run 0 "$mico" eval net.h5 --data data $words --json
    same "$(json '(j["images"], j["correct"], j["loss"])')" "$wanted" "eval $words of the import"
done
truncate -s -100 net.h5
run 2 "$mico" info net.h5 && silent && one_message && says 'net\.h5'
run 0 "$mico" import "$net" -o net.h5
printf 'X' | dd of=net.h5 bs=1 seek=20000 conv=notrunc status=none
run 2 "$mico" eval net.h5 --data data --scheme w8a8 && silent && one_message && says 'check ?sum|damaged'

# ---- import --data: the file stands for the folder

run 0 "$mico" import --data data -o set.h5 && silent && one_message &&
    says 'set\.h5: [0-9]+ training and [0-9]+ test'
run 0 "$mico" eval "$net" --data data --scheme w5a6 --json
wanted=$(json '(j["images"], j["correct"], j["loss"])')
run 0 "$mico" eval "$net" --data set.h5 --scheme w5a6 --json
same "$(json '(j["images"], j["correct"], j["loss"])')" "$wanted" "eval on the data-set file"
run 2 "$mico" import "$net" --data data -o both.h5 && silent && says 'either MODEL.onnx or --data'

# ---- eval: modes, schemes, images

correct() { # of mico eval with these words
    run 0 "$mico" eval "$net" --data data --json "$@" && json 'j["correct"]'
}
fp32=$(correct --mode fp32) w8a8=$(correct --scheme w8a8)
[ "$fp32" -ge 150 ] || [ ! -d "$fashion" ] || complain "fp32: only $fp32 of 200 are right"
[ $((fp32 - w8a8)) -le 4 ] || complain "w8a8 ($w8a8 of 200) is much worse than fp32 ($fp32)"
fake=$(correct --scheme w8a8 --mode fake)
[ $((fake > w8a8 ? fake - w8a8 : w8a8 - fake)) -le 4 ] ||
    complain "fake ($fake of 200) and integer w8a8 ($w8a8) differ"
for profile in dynamic mico; do
    same "$(MICO_ISA=c correct --scheme w3a5 --profile $profile)" \
        "$(correct --scheme w3a5 --profile $profile)" "kernels of $profile: C and fast"
    other=$(correct --scheme w8a8 --profile $profile) && same "$(json 'j["profile"]')" $profile profile
    [ $((other > w8a8 ? other - w8a8 : w8a8 - other)) -le 4 ] ||
        complain "profile $profile ($other of 200) and integer w8a8 ($w8a8) differ"
done
run 2 "$mico" eval "$net" --data data --scheme w8a8 --profile int8 && silent && one_message &&
    says "'int8' is not one of integer, dynamic, mico, ares, tflite"
run 2 "$mico" eval "$net" --data data --scheme w8a8 --profile mico --mode fake && silent && one_message
run 0 "$mico" info "$net" --scheme w8a8 --data data --profile dynamic && prints ' f32 '
same "$(MICO_ISA=c correct --scheme w3a5)" "$(correct --scheme w3a5)" "kernels: C and fast"
run 0 "$mico" info "$net" --json
layers=$(json 'j["quantizable_layers"]')
list=$(yes 8/8 | head -n "$layers" | paste -sd,)
flat=mico:$(yes 8 | head -n $((2 * layers)) | paste -sd,)
same "$(correct --scheme "$list")" "$w8a8" "w8a8 layer by layer"
same "$(correct --scheme "$flat")" "$w8a8" "w8a8 as a flat list"
run 0 "$mico" eval "$net" --data data --scheme w8a8 && prints "^$w8a8 of 200 correct: [0-9.]+ %, loss "

# two schemes on the same images: totals are those of each alone, and the discordant pairs agree with them
w3a3=$(correct --scheme w3a3)
run 0 "$mico" eval "$net" --data data --scheme w8a8 --against w3a3 --json
same "$(json '(j["correct"], [r["images"] for r in j["ranges"]])')" "([$w8a8, $w3a3], [64, 128, 200])" "--against"
same "$(json 'j["ranges"][-1]["only_first"] - j["ranges"][-1]["only_second"]')" "$((w8a8 - w3a3))" "discordant pairs"
run 0 "$mico" eval "$net" --data data --scheme w4a4 --against w4a4 --json
same "$(json 'sum(r["only_first"] + r["only_second"] for r in j["ranges"])')" 0 "a scheme against itself"
run 0 "$mico" eval "$net" --data data --scheme w8a8 --against w3a3 && prints "^A $w8a8, B $w3a3 of 200 correct"
run 2 "$mico" eval "$net" --data data --scheme w8a8 --against w9 && silent && one_message
run 2 "$mico" eval "$net" --data data --scheme w8a8 --against w4a4 --mode fake && silent && one_message && says 'against'
run 2 "$mico" eval "$net" --data data --scheme w8a8 --against w4a4 --profile-layers && silent && one_message

# who ran what
run 0 "$mico" eval "$net" --data data --scheme w8a8 --profile-layers && prints 'us/image' && prints "^$w8a8 of 200 correct"
run 0 "$mico" eval "$net" --data data --scheme w8a8 --profile-layers --json
same "$(json 'all(l["image_us"] > 0 for l in j["layers"]) and len([l for l in j["layers"] if l["macs"] > 0]) > 1')" True "--profile-layers"
run 2 "$mico" eval "$net" --data data --scheme w8a8 --profile-layers --mode fp32 && silent && one_message
[ "$(correct --scheme w8a8 --images 1)" -le 1 ] || complain "one image, more than one is right"

# ---- the integer plan

run 0 "$mico" info "$net" --scheme w4a8 --data data && quiet
[ "$(grep -cE 'conv|linear' out)" -ge "$layers" ] || complain "the plan has fewer steps than layers"

# ---- costs

run 0 "$mico" info "$net" --json
macs=$(json 'j["macs"]')
for scheme in w8a8:64 w4a8:32 w2a2:4 w8a2:16 w1a8:8; do
    run 0 "$mico" cost "$net" --target bops --json --scheme "${scheme%:*}"
    same "$(json 'int(j["value"])')" $((macs * ${scheme#*:})) "bops of ${scheme%:*}"
done
run 0 "$mico" cost "$net" --target size --scheme w8a8 --json && eight=$(json 'j["value"]')
run 0 "$mico" cost "$net" --target size --scheme w2a8 --json
same "$(json "0.25 <= j['value'] / $eight < 0.5")" True "size of w2 and w8"

# ---- reports

run 0 "$sweep" small.ini -q -o one.h5
run 0 "$sweep" small.ini -q -o two.h5 --set search.method=random --set objective.goal=pareto
run 0 "$mico" report one.h5 && quiet
prints '^report: \./one-report/report\.html|^report: one-report/report\.html'
[ -s one-report/report.html ] || complain "no one-report/report.html"
run 0 "$mico" report one.h5 two.h5 -o both --title 'Two <runs> & more'
grep -q 'Two &lt;runs&gt; &amp; more' both/report.html || complain "the title is not escaped"
for page in one-report both; do
    sed -E 's/xmlns(:[a-z]+)?=("[^"]*"|.[^ >]*)//g' $page/report.html >page
    grep -nE 'https?://|src=.[^d#]|href=.[^#]|@import|url\(' page >hits &&
        { complain "$page/report.html is not self-contained:"; head -n 3 hits; }
    "$python" - $page >out 2>err <<'PY' || { complain "the files of $page:"; cat out; show; }
import csv, glob, html.parser, sys
import xml.etree.ElementTree as tree
dir = sys.argv[1]
class Page(html.parser.HTMLParser):
    """Every element that is opened is closed, in order."""
    stack, empty = [], {"meta", "br", "hr", "link", "img", "input", "col"}
    def handle_starttag(self, tag, attrs):
        if tag not in self.empty:
            self.stack.append(tag)
    def handle_startendtag(self, tag, attrs):
        pass
    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, (tag, self.getpos())
page = Page()
page.feed(open(dir + "/report.html", encoding="utf-8").read())
assert not page.stack, page.stack
tables = glob.glob(dir + "/*.csv")
assert len(tables) >= 3, tables
for name in tables:
    rows = list(csv.reader(open(name)))
    assert len(rows) >= 2 and len({len(r) for r in rows}) == 1, name
for name in glob.glob(dir + "/*-trials.csv"):
    rows = list(csv.DictReader(open(name)))
    assert [int(r["trial"]) for r in rows] == list(range(len(rows))), name
    for r in rows:
        if r["state"] == "done":
            assert abs(float(r["accuracy"]) - int(r["correct"]) / int(r["images"])) < 1e-12
            assert float(r["bops"]) > 0
figures = glob.glob(dir + "/*.svg")
assert len(figures) >= 3, figures
for name in figures:
    assert tree.parse(name).getroot().tag.endswith("svg"), name
PY
done
# two runs of one name do not overwrite each other's tables
[ "$(ls both/*-trials.csv | wc -l)" -eq 2 ] ||
    complain "two runs, but $(ls both/*-trials.csv | wc -l) tables of trials: $(cd both && ls)"

# ---- accuracies that the models were published with

if [ ! -d "$shared/data/models" ]; then
    echo "not checked: published accuracies (no $shared/data/models)"
    finish
fi
published() { # MODEL DATA [options]: within three predictions
    local model=$shared/data/models/$1_f32 data=$2 wanted
    shift 2
    [ -e "$model.onnx" ] || { complain "no $model.onnx"; return 0; }
    wanted=$("$python" -c 'import json, sys
def find(j):
    if isinstance(j, dict):
        for k, v in j.items():
            if k == "correct":
                return v
            hit = find(v)
            if hit is not None:
                return hit
print(find(json.load(open(sys.argv[1]))))' "$model.json")
    run 0 "$mico" eval "$model.onnx" --data "$data" --mode fp32 --json "$@"
    same "$(json "abs(j['correct'] - $wanted) <= 3")" True \
        "$(basename "$model"): $(json 'j["correct"]') right instead of $wanted"
}
sets=$shared/data/datasets
published mlp_optdigits "$sets/optdigits"
published harmlp_265 "$sets/uci-har-265"
published mlp_mnist16 "$sets/mnist" --transform mean2,pad1,flat
published cntk_mnist_cnn "$sets/mnist"
published dscnn_kws "$sets/kws01-mfcc/mfcc49x10-s8-idx3.gz,$sets/kws01-mfcc/labels-idx1-ubyte.gz"
[ ! -d "$fashion" ] || published lenet_fashion "$fashion"
finish
