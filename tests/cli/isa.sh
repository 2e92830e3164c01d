#!/usr/bin/env bash
# Kernels for older CPUs: MICO_ISA restricts the programs and changes no result, and CPUs without
# AVX-512, or without AVX at all, which qemu-x86_64 plays, are served by kernels that they have.
# tests/cli/isa.sh SOURCE BUILD
set -eu
. "$(dirname "$0")/lib.sh"

answer() { # [program before mico] scheme: images, correct ones, loss without its last digits
    local scheme=${*: -1}
    run 0 "${@:1:$#-1}" "$mico" eval "$net" --data data --images 60 --json \
        --calibration train:0-63 --scheme "$scheme"
    json '(j["images"], j["correct"], round(j["loss"], 6))'
}

for scheme in w8a8 w4a4 w3a5; do
    best=$(answer $scheme)
    [[ $best =~ ^\(60,\ [0-9]+,\ [0-9.]+\)$ ]] || complain "eval $scheme: $best"
    for isa in avx2 c; do
        same "$(MICO_ISA=$isa answer $scheme)" "$best" "eval $scheme with MICO_ISA=$isa"
    done
done

[ "$(uname -m)" = x86_64 ] || { echo "not checked: other CPUs (this is no x86-64)"; finish; }
command -v qemu-x86_64 >/dev/null || { echo "not checked: other CPUs (no qemu-x86_64)"; finish; }
grep -q __asan_init "$mico" && { echo "not checked: other CPUs (a sanitizer's build)"; finish; }

PATIENCE=400
unit() { # CPU TEST: a unit test there
    run 0 qemu-x86_64 -cpu "$1" "$build/tests/$2"
    grep -q 'illegal instruction' err && complain "$2 on $1: an instruction that it lacks"
    return 0
}
unit Haswell test_kernels_avx2 && ! grep -q skipped out || complain "avx2 was not found on Haswell"
unit Haswell test_kernels_exact && prints 'skipped: .*avx512.*, which this CPU lacks'
unit Nehalem test_kernels_exact && prints 'skipped: .*_avx2 needs avx2, which this CPU lacks'

# Calibration is floating point, and OpenBLAS has other sums for other CPUs.
for cpu in Haswell Nehalem; do
    export OPENBLAS_CORETYPE=$cpu OPENBLAS_NUM_THREADS=1
    native=$(answer w4a6)
    [[ $native =~ ^\(60, ]] || complain "eval w4a6: $native"
    same "$(answer qemu-x86_64 -cpu $cpu w4a6)" "$native" "eval on $cpu"
done
finish
