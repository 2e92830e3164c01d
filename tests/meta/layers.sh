#!/usr/bin/env bash
# Fails on every #include between folders of src/ that docs/ARCHITECTURE.md does not allow.
set -eu
cd "$1"
bad=0 seen=0

allowed() { # folder -> the words of its row in the include table
    awk -F'|' -v folder="$1" '
        /^## Who may include whom/ { on = 1 }
        /^## / && !/Who may include whom/ { on = 0 }
        on && NF >= 4 { gsub(/ /, "", $2); if ($2 == folder) { print $3; found = 1 } }
        END { exit !found }' docs/ARCHITECTURE.md
}

for folder in src/*/; do
    folder=$(basename "$folder")
    row=$(allowed "$folder") || { echo "src/$folder has no row in the table"; bad=1; continue; }
    while IFS=: read -r file line include; do
        seen=$((seen + 1))
        path=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$include")
        other=${path%%/*}
        [ "$other" != "$path" ] || continue      # generated headers
        [ "$other" = "$folder" ] && continue
        case " $row " in
        *" $other "*) ;;
        *) echo "$file:$line: src/$folder may not include $path"; bad=1; continue ;;
        esac
        if [ "$other" != core ] && [ "$path" != "$other/$other.h" ]; then
            echo "$file:$line: $path is internal to src/$other"
            bad=1
        fi
    done < <(grep -nE '^#include "' "src/$folder"/*.[ch])
done
while read -r file; do
    case $file in src/wire/pool_mpi.c) ;; *) echo "$file includes <mpi.h>"; bad=1 ;; esac
done < <(grep -lE '#include <mpi.h>' src/*/*.[ch] || true)
[ "$seen" -gt 50 ] || { echo "only $seen includes found: is this the source tree?"; bad=1; }
exit $bad
