#!/bin/bash
# Runs a study on the nodes of a Slurm job: sbatch deploy/slurm.sh STUDY [--data DIR] [--out RUN] [--set KEY=VALUE] …
# All arguments are those of `harness run`. Adapt the options below; those given to sbatch take precedence, for example
#   sbatch --nodes=2 --gpus-per-node=4 deploy/slurm.sh label_rate --data ~/data --set device=cuda
#SBATCH --job-name=harness
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@180
# --mem=0 is all memory of a node. On a cluster that shares nodes between jobs, replace --exclusive and --mem=0 by
# --cpus-per-task and --mem.
set -euo pipefail

# source ~/venv/bin/activate    # where harness and ray are installed, if they are not on the PATH already

[ "$#" -gt 0 ] || set -- label_rate
hosts="$(scontrol show hostnames "$SLURM_JOB_NODELIST")"
head_node="${hosts%%$'\n'*}" # the first one, on which Slurm runs this script
address="$head_node:$((20000 + SLURM_JOB_ID % 10000))"
cpus="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}" # srun does not inherit --cpus-per-task
gpus="${SLURM_GPUS_ON_NODE:-0}"
temporary="${TMPDIR:-/tmp}"
[ "${#temporary}" -le 30 ] || temporary=/tmp # Ray's sockets have paths of at most 107 characters
temporary="$temporary/ray-$SLURM_JOB_ID"
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN="$(python3 -c 'import secrets; print(secrets.token_hex(32))')"
RAY_USAGE_STATS_ENABLED="${RAY_USAGE_STATS_ENABLED:-0}"
export RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED # srun passes them on to all nodes

# on NODES [OPTION …] COMMAND: run a command on so many nodes, with all that the job has there. It replaces the shell, so
# that a signal reaches srun, which passes it on: call it in the background or in a shell of its own.
on() {
    exec srun --overlap --nodes="$1" --ntasks="$1" --ntasks-per-node=1 --cpus-per-task="$cpus" --mem=0 "${@:2}"
}
ray_on() {
    local resources=(--num-cpus="$cpus" --num-gpus="$gpus")
    local gpu_options=()
    [ "$gpus" = 0 ] || gpu_options=(--gpus-per-node="$gpus")
    on "$1" "$2" "$3" "${gpu_options[@]}" ray start "${resources[@]}" --block "${@:4}"
}

# USR1 comes before the time limit and, where the cluster is set up so, before a preemption: the run is stopped in order
# and the job queued again. TERM comes from scancel and from a preemption, after which Slurm itself queues the job again.
run='' requeue=no interrupted=no status=130
# shellcheck disable=SC2329  # the traps call it
stop() {
    interrupted=yes
    [ -n "$run" ] || exit "$status"
    kill -TERM "$run" 2> /dev/null || true
}
trap 'requeue=yes; stop' USR1
trap stop TERM

steps=()
# shellcheck disable=SC2329  # the trap calls it
clean_up() {
    [ "${#steps[@]}" -eq 0 ] || kill "${steps[@]}" 2> /dev/null || true
    wait || true
    (on "$SLURM_JOB_NUM_NODES" rm -rf "$temporary") || true
    if [ "$requeue" = yes ] && [ "$status" -ne 0 ]; then
        echo "stopped before its end: queueing job $SLURM_JOB_ID again, where the run goes on"
        scontrol requeue "$SLURM_JOB_ID"
    fi
}
trap clean_up EXIT

ray_on 1 -w "$head_node" --head --port="${address##*:}" --temp-dir="$temporary" --include-dashboard=false &
steps+=($!)
until ray status --address "$address" > /dev/null 2>&1; do
    kill -0 "${steps[0]}" 2> /dev/null || { echo "Ray did not start on $head_node: see above" >&2; exit 1; }
    sleep 1
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    ray_on "$((SLURM_JOB_NUM_NODES - 1))" -x "$head_node" --address="$address" &
    steps+=($!)
fi
on 1 -w "$head_node" harness run "$@" --address "$address" --wait-for-nodes 300 &
run=$!

while true; do # a signal ends the waiting, but not the run
    interrupted=no code=0
    wait "$run" || code=$?
    [ "$code" -eq 127 ] || status=$code
    if [ "$interrupted" = no ] || [ "$code" -eq 127 ]; then break; fi
done
exit "$status"
