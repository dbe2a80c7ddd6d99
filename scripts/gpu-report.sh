#!/usr/bin/env bash
# Everything worth measuring on a GPU, in under nine minutes: self-test, tests of the shaders, prices of what steps are
# made of, speed at every size, and OpenMM on the same boxes. Builds nothing and installs nothing.
#
#   scripts/gpu-report.sh HEXAQUA TESTS OUT
#
# HEXAQUA   the program, target/release/hexaqua
# TESTS     the test program, target/release/deps/it-… as `cargo test --release --no-run` names it; - leaves the tests out
# OUT       a folder for the results: report.md, bench-*.json, micro.json and the output of every part
#
# ATOMS=3000,12000,24000,96000,400000   sizes
# STEPS=N                               timed steps; as many as take a few seconds if not given
# WARM_UP=500                           untimed steps before them
# SECONDS_ALLOWED=520                   no part is started after that; a part that is still running then is ended
# HEXAQUA_COMMIT=…                      names the version where there is no git
#
# What is absent is skipped with a line that says so. The exit code is 1 if a part failed, was ended, or had no time left; what it had
# printed by then is kept.
set -euo pipefail

[ $# = 3 ] || { echo "usage: scripts/gpu-report.sh HEXAQUA TESTS OUT" >&2 && exit 2; }
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac; }
hexaqua=$(absolute "$1")
tests=$2
out=$(absolute "$3")
[ -x "$hexaqua" ] || { echo "$hexaqua is not there or cannot be run" >&2 && exit 2; }
[ "$tests" = - ] || tests=$(absolute "$tests")
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"

atoms=${ATOMS:-3000,12000,24000,96000,400000}
allowed=${SECONDS_ALLOWED:-520}
failed=0
SECONDS=0
page=$out/report.md
summary=$out/summary.txt
: >"$summary"

note() {
    printf '%s\n' "$*"
    printf -- '- %s\n' "$*" >>"$summary"
}

# part NAME SECONDS COMMAND…: stdout to NAME.out, stderr to NAME.err; at most SECONDS, and not beyond what is allowed
part() {
    local name=$1 limit=$2 left status=0 start=$SECONDS
    shift 2
    left=$((allowed - SECONDS))
    if [ "$left" -lt 5 ]; then
        note "$name: SKIPPED, the time is used up"
        failed=1
        return 1
    fi
    [ "$left" -ge "$limit" ] || limit=$left
    timeout "$limit" "$@" >"$out/$name.out" 2>"$out/$name.err" || status=$?
    case $status in
        0) note "$name: done in $((SECONDS - start)) s" ;;
        124) note "$name: ended after $limit s, its time" ;;
        *) note "$name: FAILED with exit code $status: $(tail -n 1 "$out/$name.err")" ;;
    esac
    if [ "$status" != 0 ]; then
        failed=1
        return 1
    fi
}

# keep FROM TO: gives what a part printed its own name, if it printed anything
keep() {
    if [ -s "$out/$1" ]; then
        mv "$out/$1" "$out/$2"
    fi
}

commit=${HEXAQUA_COMMIT:-$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)}
export HEXAQUA_COMMIT=$commit
gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true)

part devices 90 "$hexaqua" devices || true

if [ "$tests" = - ]; then
    note "tests: SKIPPED, no test program was given"
elif [ ! -x "$tests" ]; then
    note "tests: SKIPPED, $tests is not there or cannot be run"
else
    HEXAQUA_ROOT=$root HEXAQUA_REQUIRE_GPU=1 part tests 150 "$tests" _gpu:: gpu_ pipeline:: layout:: || true
fi

if part micro 60 "$hexaqua" bench --micro --json; then
    mv "$out/micro.out" "$out/micro.json"
fi

# smallest first, each in a program of its own, so that one that fails takes no other along
bench() {
    local backend=$1 n=$2 limit=$3 more=()
    [ -z "${STEPS:-}" ] || more=(--steps "$STEPS")
    part "bench-$backend-$n" "$limit" "$hexaqua" bench --backend "$backend" --atoms "$n" \
        --warm-up "${WARM_UP:-500}" --json ${more[@]+"${more[@]}"} || true
    # one that fails after its first box has printed that box
    keep "bench-$backend-$n.out" "bench-$backend-$n.json"
}
IFS=, read -r -a sizes <<<"$atoms"
for n in "${sizes[@]}"; do
    bench gpu "$n" 100
done

# what constant potential costs, beside the same steps with fixed charges
if [ -s "$root/benches/compare/electrode.toml" ]; then
    for backend in gpu cpu; do
        if part "electrodes-$backend" 90 "$hexaqua" bench "$root/benches/compare/electrode.toml" --backend "$backend" --fixed-charges; then
            grep -h 'constant potential' "$out/electrodes-$backend.out" | while read -r line; do note "864 electrode atoms of 5,600, $backend: $line"; done
        fi
    done
fi

python=$(command -v python3 || true)
if [ -z "$python" ]; then
    note "comparison: SKIPPED, there is no python3"
elif ! "$python" -c 'import openmm' 2>/dev/null &&
    [ ! -x "${XDG_CACHE_HOME:-$HOME/.cache}/hexaqua-peers/bin/python" ]; then
    note "comparison: SKIPPED, $python has no OpenMM (pip install openmm[cuda12])"
else
    if "$python" -c 'import openmm' 2>/dev/null; then
        # compare.py looks for peers in an environment of its own; here the Python at hand takes its place
        export XDG_CACHE_HOME=$out/cache
        mkdir -p "$XDG_CACHE_HOME/hexaqua-peers/bin"
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$XDG_CACHE_HOME/hexaqua-peers/bin/python"
        chmod +x "$XDG_CACHE_HOME/hexaqua-peers/bin/python"
    fi
    few=$(printf '%s\n' "${sizes[@]}" | awk '$1 <= 100000' | paste -sd, -)
    # a table a box, the smallest first, each printed when it is done: what the time does not suffice for is missing at the end
    part compare 220 "$python" "$root/benches/compare/compare.py" --hexaqua "$hexaqua" --backend gpu --peers 'openmm cuda' \
        --no-install --atoms "$few" --systems water --repeats 3 --rounds 3 --seconds 1.5 --tries 1 || true
    keep compare.out compare.md
fi

# the same machine without its GPU, for orientation
bench cpu "${sizes[0]}" 60

# --- the page -------------------------------------------------------------------------------------------------------

# rows of a file that `bench --json` wrote: one key a line
rows() {
    if [ "$(head -c 1 "$1")" = '{' ]; then
        # {"error", "finished": […]}: the list stands one level deeper
        sed 's/^  //' "$1"
    else
        cat "$1"
    fi | awk '
        { key = $1; gsub(/[":]/, "", key); value = $2; gsub(/[",]/, "", value) }
        /^    "[a-z_]+": [^{\[]/ { at[key] = value }
        /^      "(host_encode|host_submit|host_wait|build_ms|lifetime|neighbor)":/ { at[key] = value }
        /^  }/ {
            host = 1000 * (at["host_encode"] + at["host_submit"])
            passes = at["device_passes"] == "null" || at["device_passes"] == "" ? "–" : sprintf("%.1f", 1000 * at["device_passes"])
            memory = at["device_memory"] == "null" ? "–" : sprintf("%.1f", at["device_memory"] / 1e6)
            printf "| %s | %s | %s | %.1f | %.2f | %.2f | %s | %.1f | %.2f | %s |\n", at["system"], at["atoms"], at["backend"],
                1000 * at["ms_per_step"], at["ns_per_day"], at["matom_steps_per_s"], passes, host, at["build_ms"], memory
            delete at
        }'
}

{
    echo "# hexaqua on ${gpu:-the first adapter of this machine}"
    echo
    echo "$(date -u +%Y-%m-%d), commit $commit, $("$hexaqua" --version), written by \`scripts/gpu-report.sh\` in $SECONDS s."
    echo
    echo '```text'
    cat "$out/devices.out" 2>/dev/null || true
    echo '```'
    echo
    cat "$summary"
    echo
    if [ -s "$out/tests.out" ]; then
        echo "Tests: $(grep '^test result' "$out/tests.out" || echo 'no result')"
        echo
    fi
    if [ -s "$out/micro.json" ]; then
        echo '## Prices'
        echo
        echo '| | | |'
        echo '| --- | ---: | --- |'
        awk '
            /^    "[a-z_]+": {/ { name = $1; gsub(/[":]/, "", name) }
            /"unit"/ { unit = $2; gsub(/[",]/, "", unit) }
            /"value"/ { value = $2; gsub(/,/, "", value) }
            /"what"/ { what = $0; sub(/.*"what": "/, "", what); sub(/",?$/, "", what) }
            /^    }/ { printf "| %s | %.3f %s | %s |\n", name, value, unit, what }' "$out/micro.json"
        echo
    fi
    echo '## Steps'
    echo
    echo '| system | atoms | backend | µs/step | ns/day | Matom·steps/s | passes one by one, µs | host encodes and submits, µs/step | ms to build a list | device memory, MB |'
    echo '| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |'
    for file in "$out"/bench-gpu-*.json "$out"/bench-cpu-*.json; do
        [ ! -s "$file" ] || rows "$file"
    done | sort -t '|' -k4,4 -k2,2 -k3,3n
    echo
    if [ -s "$out/compare.md" ]; then
        echo '## Beside OpenMM'
        echo
        sed 's/^#/##/' "$out/compare.md"
    fi
} >"$page"
rm -rf "$out/cache"
echo
echo "results: $page ($SECONDS s)"
exit "$failed"
