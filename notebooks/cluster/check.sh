#!/usr/bin/env bash
# Twelve small runs under each queue, with something killed in each: every store must end with the bytes of a local sweep.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export VAEB_PROGRAM="${VAEB_PROGRAM:-$PWD/target/debug/notebooks}"
work=$(mktemp -d)
list=$work/runs.json
children=()
trap 'kill "${children[@]}" 2> /dev/null || true' EXIT

# Twelve seeds of the first run that a notebook asks for, long enough to be killed in the middle.
VAEB_RUNS=$work/none "$VAEB_PROGRAM" sweep 04_3 --profile smoke --list > "$work/one.json"
python3 - "$work/one.json" "$list" << 'PYTHON'
import json, sys
run = json.load(open(sys.argv[1]))[0]
run["config"]["model"]["encoder"] = run["config"]["model"]["decoder"] = [100]
run["config"]["budget"] = {"samples": 120000}
runs = [{"name": f"seed {seed}", "config": {**run["config"], "seed": seed}} for seed in range(12)]
json.dump(runs, open(sys.argv[2], "w"))
PYTHON

sweep() { VAEB_RUNS=$work/$1 VAEB_THREADS=1 "$VAEB_PROGRAM" sweep "$list" "${@:2}"; }
stored() { find "$work/$1" -name result.json | wc -l; }
begun() { for _ in $(seq 600); do compgen -G "$work/$1/*/lock" > /dev/null && sleep 1 && return; sleep 0.2; done; echo "no run begun in $1"; return 1; }
same() {
    local file
    [ "$(stored "$1")" = 12 ] || { echo "$1: $(stored "$1") of 12 runs"; return 1; }
    for file in "$work"/local/*/model.safetensors; do
        cmp "$file" "${file/local/$1}"
    done
    echo "$1: 12 runs, every model with the bytes of the local sweep"
}

echo "== local"
VAEB_RUNS=$work/local "$VAEB_PROGRAM" sweep "$list" > "$work/local.log" 2>&1
[ "$(stored local)" = 12 ]

echo "== three slices, three stores, merged"
for part in 1 2 3; do sweep "part$part" --slice "$part/3" >> "$work/parts.log" 2>&1; done
VAEB_RUNS=$work/merged "$VAEB_PROGRAM" sweep --merge "$work"/part{1,2,3}
same merged

echo "== interrupted: 75, and it goes on"
VAEB_RUNS=$work/interrupted VAEB_THREADS=1 "$VAEB_PROGRAM" sweep "$list" > "$work/interrupted.log" 2>&1 &
program=$!
begun interrupted
kill -INT "$program"
status=0
wait "$program" || status=$?
[ "$status" = 75 ] || { echo "exit status $status"; exit 1; }
sweep interrupted >> "$work/interrupted.log" 2>&1
same interrupted

if command -v parallel > /dev/null; then
    echo "== GNU parallel, one task killed"
    jobs=(--joblog "$work/parallel.log" --jobs 2 env VAEB_RUNS="$work/parallel" VAEB_THREADS=1 "$VAEB_PROGRAM" sweep "$list" --index {} ::: $(seq 12))
    parallel "${jobs[@]}" > "$work/parallel.out" 2>&1 &
    all=$!
    begun parallel
    pkill -KILL -f "notebooks sweep $list --index" --oldest
    wait "$all" || echo "  $? task failed, as it should"
    parallel --resume-failed "${jobs[@]}" >> "$work/parallel.out" 2>&1
    same parallel
else
    echo "no GNU parallel here: apt install parallel"
fi

python=${VAEB_PYTHON:-python3}
if "$python" -c "import hyperqueue" 2> /dev/null; then
    echo "== HyperQueue, a task killed"
    VAEB_RUNS=$work/hyperqueue "$python" notebooks/cluster/with_hyperqueue.py "$list" > "$work/hyperqueue.log" 2>&1 &
    all=$!
    begun hyperqueue
    pkill -KILL -f "notebooks sweep $list --index" --oldest
    wait "$all"
    grep failed "$work/hyperqueue.log" | sed 's/^/  /'
    same hyperqueue
else
    echo "no HyperQueue here: pip install hyperqueue"
fi

if command -v slurmctld > /dev/null && command -v slurmd > /dev/null && [ "$(id -u)" = 0 ]; then
    echo "== Slurm, one task killed, the node's daemon killed"
    mkdir -p "$work/slurm/state" "$work/slurm/spool"
    cat > "$work/slurm.conf" << CONF
ClusterName=check
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=15
KillWait=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/ctld.pid
SlurmdPidFile=$work/slurm/d.pid
SlurmctldLogFile=$work/slurm/ctld.log
SlurmdLogFile=$work/slurm/d.log
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$work/slurm.conf
    pgrep -x munged > /dev/null || { mkdir -p /run/munge; chown munge: /run/munge; runuser -u munge -- munged; }
    slurmctld -D > "$work/slurm/ctld.out" 2>&1 &
    children+=($!)
    slurmd -D > "$work/slurm/d.out" 2>&1 &
    daemon=$!
    until sinfo -h -o %T 2> /dev/null | grep -q idle; do sleep 0.5; done
    VAEB_RUNS=$work/slurm/runs sbatch --array=1-12 --cpus-per-task=1 --output="$work/slurm/%a.log" notebooks/cluster/slurm.sh "$list"
    begun slurm/runs
    task=$(squeue -h -t R -o %i | head -1)
    echo "  killing and requeueing task $task"
    scontrol requeue "$task"
    sleep 3
    echo "  killing the node's daemon and what it runs"
    kill -KILL "$daemon"
    pkill -KILL -f "notebooks sweep $list --index" || true
    pkill -KILL slurmstepd || true
    sleep 2
    slurmd -D > "$work/slurm/d2.out" 2>&1 &
    children+=($!)
    for _ in $(seq 300); do
        [ -z "$(squeue -h)" ] && break
        sleep 1
    done
    missing=$(comm -23 <(seq 12 | sort) <(grep -l "runs are stored" "$work"/slurm/*.log | xargs -n1 basename | sed 's/.log//' | sort) | paste -sd,)
    if [ -n "$missing" ]; then
        echo "  submitting $missing again, as one does after a dead node"
        VAEB_RUNS=$work/slurm/runs sbatch --wait --array="$missing" --cpus-per-task=1 --output="$work/slurm/%a.log" notebooks/cluster/slurm.sh "$list"
    fi
    same slurm/runs
else
    echo "no Slurm here, or not root: apt install slurm-wlm munge"
fi
rm -rf "$work"
echo "All well."
