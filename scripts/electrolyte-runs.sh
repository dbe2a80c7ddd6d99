#!/usr/bin/env bash
# Every input of inputs/ in its small version, from a packed start on the cpu, all at the same time; then, if asked for, a few
# steps of each on the gpu. Builds nothing and installs nothing.
#
#   scripts/electrolyte-runs.sh HEXAQUA OUT [THREADS_EACH]
#
# HEXAQUA        the program, target/release/hexaqua
# OUT            a folder for the results: electrolytes.md, and a folder for every run
# THREADS_EACH   threads of each run; 1 if not given
#
# PS=100                length of the last stage on the cpu in ps; equilibration is a fifth of it, relaxation a twentieth
# GPU=1                 also 200 steps of each on the gpu, one after the other; without it none
# SECONDS_ALLOWED=540   for everything; runs that are not done by then are ended, and the table says so
# GPU_SECONDS=120       of these, kept for the gpu, if asked for
# INPUTS="a b"          only these, names without .toml
# HEXAQUA_COMMIT=…      names the version where there is no git
#
# The table is written again every few seconds: a script that is ended itself leaves what was done by then. The exit code
# tells whether a run failed or was ended.
set -euo pipefail

[ $# = 2 ] || [ $# = 3 ] || { echo "usage: scripts/electrolyte-runs.sh HEXAQUA OUT [THREADS_EACH]" >&2 && exit 2; }
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac; }
hexaqua=$(absolute "$1")
out=$(absolute "$2")
threads=${3:-1}
[ -x "$hexaqua" ] || { echo "$hexaqua is not there or cannot be run" >&2 && exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"

ps=${PS:-100}
allowed=${SECONDS_ALLOWED:-540}
for_gpu=0
[ "${GPU:-0}" = 0 ] || for_gpu=${GPU_SECONDS:-120}
SECONDS=0
page=$out/electrolytes.md
commit=${HEXAQUA_COMMIT:-$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)}
names=()
if [ -n "${INPUTS:-}" ]; then
    read -r -a names <<<"$INPUTS"
else
    for file in "$root"/inputs/*.toml; do
        names+=("$(basename "$file" .toml)")
    done
fi

# what the head of an input sets for its small version, without lengths of stages: one KEY=VALUE a line
small() {
    awk '
        !/^#/ { exit }
        { for (i = 1; i < NF; i++) if ($i == "--set" && $(i + 1) ~ /^system\./) print $(i + 1) }' "$root/inputs/$1.toml"
}

has_stage() { grep -q "^name = \"$2\"" "$root/inputs/$1.toml"; }

# start NAME BACKEND THREADS SECONDS RELAX EQUILIBRATE PRODUCTION: one run in $out/BACKEND/NAME, stages in ps; what became of
# it goes to the files beside it
start() {
    local name=$1 backend=$2 count=$3 limit=$4 relax=$5 equilibrate=$6 production=$7 at=$out/$2/$1 sets=() pair press=0 status=0
    mkdir -p "$at"
    while read -r pair; do
        sets+=(--set "$pair")
    done < <(small "$name")
    if has_stage "$name" relax; then
        sets+=(--set "stage.relax.duration=\"$relax ps\"")
    else
        relax=0
    fi
    # as long as relaxation
    if has_stage "$name" press; then
        sets+=(--set "stage.press.duration=\"$relax ps\"")
        press=$relax
    fi
    sets+=(--set "stage.equilibrate.duration=\"$equilibrate ps\"" --set "stage.production.duration=\"$production ps\"")
    [ "$backend" = cpu ] || sets+=(--set 'dynamics.log_every="0.02 ps"')
    awk -v a="$relax" -v b="$equilibrate" -v c="$production" -v d="$press" 'BEGIN { print a + b + c + d }' >"$at/length"
    date +%s >"$at/began"
    RAYON_NUM_THREADS=$count timeout -k 5 "$limit" "$hexaqua" run "$root/inputs/$name.toml" --backend "$backend" \
        --out "$at/run" "${sets[@]}" </dev/null >"$at/stdout" 2>"$at/stderr" &
    echo $! >"$at/pid"
    wait $! || status=$?
    date +%s >"$at/ended"
    echo "$status" >"$at/rc"
}

# value NAME FILE DIGITS: "value ± uncertainty" of a quantity in summary.json, which has one key a line
value() {
    [ -s "$2" ] || { echo – && return; }
    awk -v wanted="$1" -v digits="$3" '
        /"quantity":/ { q = $0; sub(/.*"quantity": "/, "", q); sub(/",?$/, "", q) }
        /"uncertainty":/ { u = $2; sub(/,$/, "", u) }
        /"value":/ && q == wanted {
            v = $2; sub(/,$/, "", v)
            if (v == "null") exit
            printf "%.*f", digits, v
            if (u != "null") printf " ± %.*f", digits, u
            found = 1
            exit
        }
        END { if (!found) printf "–" }' "$2"
}

# from log.csv: steps, ps, temperature, density where a barostat moves it, drift of the conserved quantity per ns and atom; the
# means are those of the last half of the time, their errors those of five blocks
from_log() {
    [ -s "$1" ] || { echo "0;0;–;–;–" && return; }
    awk -F, -v atoms="$2" '
        NR == 1 {
            for (i = 1; i <= NF; i++) { name = $i; sub(/ \(.*/, "", name); at[name] = i }
            next
        }
        NF < at["conserved"] { next }
        {
            n++; time[n] = $1; step = $2; t[n] = $at["temperature"]; d[n] = $at["density"]; c[n] = $at["conserved"]
            volume[n] = $at["volume"]; stage[n] = $at["stage"]
        }
        function mean_and_error(x, digits,   b, i, m, s, blocks, per, sum, total) {
            blocks = 5; per = int((n - first + 1) / blocks)
            if (per < 1) return "–"
            for (b = 0; b < blocks; b++) {
                sum = 0
                for (i = 0; i < per; i++) sum += x[n - b * per - i]
                m[b] = sum / per; total += m[b]
            }
            total /= blocks
            for (b = 0; b < blocks; b++) s += (m[b] - total) ^ 2
            return sprintf("%.*f ± %.*f", digits, total, digits, sqrt(s / (blocks * (blocks - 1))))
        }
        END {
            if (n == 0) { print "0;0;–;–;–"; exit }
            for (first = 1; first < n && time[first] < 0.5 * time[n]; first++);
            temperature = mean_and_error(t, 1); density = "–"; drift = "–"
            if (volume[n] != volume[first]) density = mean_and_error(d, 4)
            k = n - first + 1
            if (k >= 5 && atoms > 0) {
                for (i = first; i <= n; i++) { mx += time[i] / k; my += c[i] / k }
                for (i = first; i <= n; i++) { xy += (time[i] - mx) * (c[i] - my); xx += (time[i] - mx) ^ 2 }
                if (xx > 0) {
                    slope = xy / xx
                    for (i = first; i <= n; i++) rest += (c[i] - my - slope * (time[i] - mx)) ^ 2
                    drift = sprintf("%.4f ± %.4f", 1000 * slope / atoms, 1000 * sqrt(rest / (k - 2) / xx) / atoms)
                }
            }
            printf "%d;%.3f;%s;%s;%s\n", step, time[n], temperature, density, drift
        }' "$1"
}

# one row of the table
row() {
    local name=$1 backend=$2 at=$out/$2/$1 atoms code said steps reached temperature density drift began now
    if [ ! -e "$at/began" ]; then
        echo "| $name | – | – | – | not started | – | – | – | – | – | – |"
        return
    fi
    atoms=$(grep -o '[0-9]* atoms' "$at/stdout" 2>/dev/null | head -n 1 | cut -d ' ' -f 1 || true)
    IFS=';' read -r steps reached temperature density drift < <(from_log "$at/run/log.csv" "${atoms:-0}")
    code=–
    began=$(cat "$at/began")
    now=$(date +%s)
    if [ -s "$at/rc" ]; then
        code=$(cat "$at/rc")
        now=$(cat "$at/ended")
        case $code in
            0) said=done ;;
            124 | 137 | 143) said="ended by the time limit" ;;
            *) said="FAILED: $(tail -n 1 "$at/stderr" | tr '|' '/' | cut -c 1-160)" ;;
        esac
    else
        said="runs, or was ended with the script"
    fi
    echo "| $name | ${atoms:-–} | $steps | $reached of $(cat "$at/length") | $code, $said | $temperature | $density | $drift |" \
        "$(value 'coordination_number(Zn2+,OW)' "$at/run/summary.json" 2) |" \
        "$(value 'first_peak(Zn2+,OW)' "$at/run/summary.json" 4) | $((now - began)) |"
}

table() {
    local backend name
    {
        echo '# The electrolytes of inputs/, small versions, from packed starts'
        echo
        echo "$(date -u +%Y-%m-%d), commit $commit, $("$hexaqua" --version), written by \`scripts/electrolyte-runs.sh\` after $SECONDS s."
        echo "Temperature, density and drift of the conserved quantity: last half of the time, relaxation and equilibration included;"
        echo "errors from five blocks, of the drift from the fit. CN: water oxygens around Zn2+. $1"
        for backend in cpu gpu; do
            [ -d "$out/$backend" ] || continue
            echo
            echo "## $backend"
            echo
            [ "$backend" = cpu ] && echo "${#names[@]} runs at the same time, $threads thread(s) each, $(getconf _NPROCESSORS_ONLN) processors." && echo
            echo '| input | atoms | steps | ps | exit code | temperature, K | density, g/cm³ | drift, kJ/mol/ns/atom | CN(Zn–OW) | Zn–OW peak, nm | wall, s |'
            echo '| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |'
            for name in "${names[@]}"; do
                row "$name" "$backend"
            done
        done
    } >"$page.part"
    mv "$page.part" "$page"
}

# timeout passes a signal on to the program that it started
finish() {
    local at
    trap - TERM INT
    for at in "$out"/cpu/* "$out"/gpu/*; do
        [ ! -e "$at/pid" ] || [ -e "$at/rc" ] || kill "$(cat "$at/pid")" 2>/dev/null || true
    done
    wait || true
    table "The script was ended after $SECONDS s."
    exit 1
}
trap finish TERM INT

rm -rf "$out/cpu" "$out/gpu"
relax=$(awk -v p="$ps" 'BEGIN { print 0.05 * p }')
equilibrate=$(awk -v p="$ps" 'BEGIN { print 0.2 * p }')
for name in "${names[@]}"; do
    start "$name" cpu "$threads" $((allowed - for_gpu)) "$relax" "$equilibrate" "$ps" &
done
while [ -n "$(jobs -rp)" ]; do
    table "Not finished yet."
    sleep 2 &
    wait $! || true
done

if [ "$for_gpu" != 0 ]; then
    mkdir -p "$out/gpu"
    for name in "${names[@]}"; do
        left=$((allowed - SECONDS))
        [ "$left" -ge 5 ] || break
        table "Not finished yet."
        # 50 steps of 0.5 fs, then 50 and 100 of 1 fs; inputs that do not relax take 50 and 150 of 2 fs
        if has_stage "$name" relax; then
            start "$name" gpu "$threads" "$left" 0.025 0.05 0.1 &
        else
            start "$name" gpu "$threads" "$left" 0 0.1 0.3 &
        fi
        wait $! || true
    done
fi
table ""
cat "$page"
! grep -q 'FAILED\|ended by the time limit\|not started' "$page"
