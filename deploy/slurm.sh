#!/bin/bash
# Runs a study on whole nodes of a Slurm cluster: sbatch deploy/slurm.sh [STUDY.yaml]. Adapt the options below.
#SBATCH --job-name=harness
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@120
set -euo pipefail

study="${1:-label_rate}"
export RAY_AUTH_MODE=token
[ -s ~/.ray/auth_token ] || ray get-auth-token --generate > /dev/null
head_node="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"

nodes() {
    srun --nodes="$1" --ntasks="$1" --overlap "${@:2}"
}
nodes 1 -w "$head_node" ray start --head --port=6379 --block &
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    nodes "$((SLURM_JOB_NUM_NODES - 1))" -x "$head_node" ray start --address="$head_node:6379" --block &
fi
# shortly before the time limit, the run is stopped in order; submit the same command again to resume it
nodes 1 -w "$head_node" harness run "$study" --address "$head_node:6379" --wait-for-nodes 300 &
run=$!
trap 'kill -INT "$run"' INT
status=0
wait "$run" || status=$?
exit "$status"
