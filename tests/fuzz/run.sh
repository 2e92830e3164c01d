#!/usr/bin/env bash
# Runs every fuzz target for a while from the committed corpus: tests/fuzz/run.sh BUILD SECONDS
# Exit 1 where one crashes, with the input that does it (kept).
set -eu
build=$(cd "$1" && pwd) seconds=${2:-20}
here=$(cd "$(dirname "$0")" && pwd)
found=0 bad=0

for program in "$build"/tests/fuzz_*; do
    [ -x "$program" ] || continue
    found=$((found + 1))
    name=$(basename "$program") work=$(mktemp -d "${TMPDIR:-/tmp}/mico-fuzz.XXXXXX")
    cp -r "$here/corpus/${name#fuzz_}" "$work/corpus"
    if (cd "$work" && "$program" corpus -max_total_time="$seconds" -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 >log 2>&1); then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
        echo "$name: $runs inputs in $seconds s, $(find "$work/corpus" -type f | wc -l) kept"
        rm -rf "$work"
    else
        bad=1
        echo "$name FAILED:"
        grep -aE 'ERROR|SUMMARY|runtime error|Test unit written|^ +#[0-9] ' "$work/log" | head -n 25
        echo "reproduce: $program $(find "$work" -maxdepth 1 -name '*-*' -type f | head -n 1)"
    fi
done
[ "$found" -gt 0 ] || { echo "no fuzz targets in $build/tests; build the target 'fuzzers'"; exit 1; }
exit $bad
