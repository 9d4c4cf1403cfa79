#!/usr/bin/env bash
# hq submit --array=1-N notebooks/cluster/hyperqueue.sh LIST: one run of the list a task, from the top of the checkout.
export VAEB_THREADS="${HQ_NUM_CPUS:-1}"
exec "${VAEB_PROGRAM:-target/debug/notebooks}" sweep "$1" --index "$HQ_TASK_ID"
