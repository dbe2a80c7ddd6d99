#!/usr/bin/env bash
# Runs one input into a folder of its own and says where the report is.
#
#   scripts/demo.sh INPUT.toml [further arguments of `hexaqua run`]
#
# Never touches an earlier run: the folder is runs/NAME, runs/NAME-2, …, whichever is free.
set -euo pipefail
cd "$(dirname "$0")/.."

hexaqua=${HEXAQUA:-${CARGO_TARGET_DIR:-target}/release/hexaqua}
input=${1:?usage: scripts/demo.sh INPUT.toml [arguments of hexaqua run]}
shift

name=$(basename "$input" .toml)
out=runs/$name
n=2
while [ -e "$out" ]; do
    out=runs/$name-$n
    n=$((n + 1))
done
mkdir -p runs

echo "\$ $hexaqua run $input --out $out${*:+ $*}"
status=0
"$hexaqua" run "$input" --out "$out" "$@" || status=$?
if [ "$status" = 0 ] && [ ! -s "$out/report.html" ]; then
    echo "hexaqua: the run ended without a report in $out" >&2
    status=1
fi
if [ -s "$out/report.html" ]; then
    printf '\nReport: %s\n' "$PWD/$out/report.html"
fi
exit "$status"
