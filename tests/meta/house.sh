#!/usr/bin/env bash
# House rules that a compiler does not check: banned calls, file lengths, the format of the
# code, documents that name what exists.
set -eu
cd "$1"
bad=0
complain() { echo "$*"; bad=1; }

while IFS= read -r hit; do
    complain "banned call: $hit"
done < <(grep -nE '\b(atoi|atof|strcpy|strcat|sprintf|strtok|alloca|rand|srand|gets)\(' \
    src/*/*.c || true)
while read -r lines file; do
    [ "$lines" -le 900 ] || complain "$file has $lines lines; is there a natural cut?"
done < <(wc -l src/*/*.[ch] | grep -v total)
for file in src/*/*.[ch] tests/*/*.c; do
    head -n 1 "$file" | grep -q '^/\* ' || complain "$file does not open with what it is"
done
for key in $(sed -nE 's/^    \{"[a-z]+", "([a-z_]+)", MICO_KEY.*/\1/p' src/job/keys.c); do
    grep -q "\`$key\`" docs/JOBS.md || complain "docs/JOBS.md does not explain the key $key"
done
if command -v clang-format >/dev/null && clang-format --version | grep -q 'version 14'; then
    clang-format --dry-run --Werror src/*/*.[ch] tests/*/*.[ch] 2>&1 | grep -E '^[^ ]+: error: ' |
        sed 's/error: code should be clang-formatted.*/not clang-formatted/' | sort -u -t: -k1,1 |
        while read -r line; do echo "$line"; done | head -n 20 | { ! grep .; } || bad=1
else
    echo "clang-format 14 is missing: the format was not checked"
fi
exit $bad
