#!/bin/sh
# Makes docs/img/report.png: the top of the quick start's report, for the README.
#   docs/img/make.sh RESULTS.h5 [MICO]    MICO: the serial tool, by default from the PATH
# Needs chromium and pngquant; RESULTS.h5 is what `mico-sweep jobs/quickstart.ini` wrote.
set -eu
results=${1:?"usage: docs/img/make.sh RESULTS.h5 [MICO]"}
mico=${2:-mico}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$mico" report "$results" -o "$folder" >/dev/null
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
    --disable-lcd-text --window-size=940,1560 \
    --screenshot="$folder/report.png" "file://$folder/report.html" 2>/dev/null
pngquant --force --output "$folder/report.png" 64 "$folder/report.png"
bytes=$(wc -c <"$folder/report.png")
if [ "$bytes" -gt 150000 ]; then
    echo "make.sh: the picture has $bytes bytes; more than 150,000 are too many" >&2
    exit 1
fi
mv "$folder/report.png" "$here/report.png"
echo "$here/report.png: $bytes bytes"
