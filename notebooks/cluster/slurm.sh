#!/usr/bin/env bash
#SBATCH --job-name=vae_core
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@60
# sbatch --array=1-N notebooks/cluster/slurm.sh LIST: one run of the list a task, from the top of the checkout.
export VAEB_THREADS="${SLURM_CPUS_PER_TASK:-1}"
"${VAEB_PROGRAM:-target/debug/notebooks}" sweep "$1" --index "$SLURM_ARRAY_TASK_ID" &
program=$!
# The shell gets the signal, the program writes the checkpoint.
trap 'kill -INT $program' INT TERM
while :; do
    wait "$program"
    status=$?
    kill -0 "$program" 2> /dev/null || break
done
if [ "$status" = 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
