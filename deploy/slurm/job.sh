# What rlhf.sbatch and actors.sbatch have in common, and how a job's steps are
# started, started again and ended. To be sourced.
# shellcheck shell=bash
# The scripts set: RLHF, the program; DIRECTORY, the run's; RESOLVED, its
# configuration as the roles get it; SCRATCH, a folder of this job's; ASKED, the
# signal that came; lock, the descriptor that holds the run, which nothing
# inherits that may outlive the script.
# shellcheck disable=SC2154

# A process that dies is started again, each time after a longer pause. One that
# dies so often in a row, without having run for ten minutes, ends the job: in
# three minutes or more, so that Slurm has noticed if it was the node.
readonly MAX_FAILURES=10
readonly HEALTHY_SECONDS=600
readonly MAX_PAUSE_SECONDS=30
# rlhf's exit code for the caller's mistake: to start it again does not help. Of
# one that was started again it is no mistake of the caller, for it worked before:
# it may find a port or a file still held by the one that died.
readonly CALLERS_MISTAKE=2
readonly GAVE_UP=3
# Of `keep` alone: Slurm took a node away.
readonly NODE_LOST=100

say() { echo "$(date '+%F %T') ${SLURM_JOB_NAME:-rlhf}: $*"; }

# refuse MESSAGE: ends the job, which is not queued again.
refuse() {
  say "$*" >&2
  exit "$CALLERS_MISTAKE"
}

check_program() {
  [[ -x $RLHF ]] || refuse "there is no program $RLHF on $(hostname); set" \
    "RLHF_BINARY to one that all nodes see"
}

# field NAME: of the resolved configuration; the first of that name.
field() { sed -n "s/^ *$1: \"\?\([^\"]*\)\"\?$/\1/p;" "$RESOLVED" | head -n 1; }

# The newest update that is done; 0 before the first.
last_update() {
  local last
  last=$(tail -n 1 "$DIRECTORY/metrics.jsonl" 2> /dev/null |
    sed -n 's/.*"update":"\?\([0-9]*\).*/\1/p') || true
  echo "${last:-0}"
}

is_finished() { (($1 >= $(field num_updates))); }

# As `rlhf up` sets them.
limit_threads() {
  OMP_NUM_THREADS=$(field threads)
  export OMP_NUM_THREADS GOMP_SPINCOUNT=2000 OMP_WAIT_POLICY=PASSIVE
}

# The components with their nodes; Slurm changes them one by one.
placement() {
  squeue --noheader --format='%i %T %N' --jobs="$SLURM_JOB_ID" | sort
}

# When the first node is lost, Slurm starts this script again elsewhere, but what
# ran on the other components goes on, on the same ports.
end_old_steps() {
  local steps jobs
  jobs=$SLURM_JOB_ID_HET_GROUP_0,$SLURM_JOB_ID_HET_GROUP_1
  jobs+=,$SLURM_JOB_ID_HET_GROUP_2
  while mapfile -t steps < <(squeue --steps --noheader --format=%i \
    --jobs="$jobs" | grep '\.[0-9]*$') && ((${#steps[@]} > 0)); do
    say "ends steps that an earlier start left: ${steps[*]}"
    # Some end meanwhile.
    scancel --quiet "${steps[@]}" 2> /dev/null || true
    sleep 1
  done
}

is_draining() { [[ -e $SCRATCH/draining ]]; }

# step NAME COMPONENT [SRUN'S FLAGS...] -- COMMAND...: one step until it ends.
# All steps share what the job has on a node; its tasks are sent SIGTERM once
# by `drain`.
step() {
  local name=$1 component=$2 flags=()
  shift 2
  while [[ $1 != -- ]]; do flags+=("$1"); shift; done
  shift
  srun --quiet --het-group="$component" --job-name="$name" --overlap --mem=0 \
    --cpu-bind=none --kill-on-bad-exit=0 --wait=0 --open-mode=append \
    --output="$DIRECTORY/logs/$name.log" "${flags[@]}" "$@" {lock}>&-
}

# keep NAME ...: as step; started again whenever it ends, until the job drains.
# Returns what ends the job: 0 for a role that has done its work.
keep() {
  local code started i failures=0 pause=1 lives=0 furthest
  furthest=$(last_update)
  while ! is_draining; do
    started=$SECONDS code=0
    step "$@" || code=$?
    if is_draining; then return 0; fi
    if ((code == CALLERS_MISTAKE && lives == 0)); then return "$code"; fi
    lives=$((lives + 1))
    if [[ $(placement) != "$PLACEMENT" ]]; then return "$NODE_LOST"; fi
    # A learner that somebody stopped (5) has not done its work.
    if ((code == 0)) && [[ $1 == crowd ]]; then return 0; fi
    if [[ $1 == learner ]]; then
      if ((code == 0)) && is_finished "$(last_update)"; then return 0; fi
      # Updates that came since forgive what was before.
      if [[ $(last_update) != "$furthest" ]]; then failures=0 pause=1; fi
      furthest=$(last_update)
    fi
    if ((SECONDS - started >= HEALTHY_SECONDS)); then failures=0 pause=1; fi
    if ((++failures > MAX_FAILURES)); then
      say "$1 ended with code $code, for the $failures. time in a row; its log:"
      tail -n 15 "$DIRECTORY/logs/$1.log"
      return "$GAVE_UP"
    fi
    say "$1 ended with code $code; it starts again in $pause s"
    for ((i = 0; i < pause; ++i)); do is_draining || sleep 1; done
    pause=$((pause * 2 > MAX_PAUSE_SECONDS ? MAX_PAUSE_SECONDS : pause * 2))
  done
}

# start NAME ...: keep in the background; how it ended is left in SCRATCH/ended.
start() {
  {
    code=0
    keep "$@" || code=$?
    if [[ $1 == learner ]] || ((code != 0)); then
      echo "$1 $code" >> "$SCRATCH/ended"
    fi
  } &
}

# drain WHY: sends every task SIGTERM and waits until all have saved and ended.
# At a second SIGTERM rlhf ends without saving, so there is one only for a task
# that was just being started and missed the first.
drain() {
  local grace second
  touch "$SCRATCH/draining"
  say "$1: every role saves and ends"
  scancel --signal=TERM "$SLURM_JOB_ID"
  grace=$(field preemption_grace_seconds)
  {
    sleep "$((${grace%.*} + 10))"
    scancel --signal=TERM "$SLURM_JOB_ID"
  } {lock}>&- &
  second=$!
  disown
  while [[ -n $(jobs -pr) ]]; do wait || true; done
  kill "$second" 2> /dev/null || true
  say "drained after update $(last_update)"
}

# Slurm takes the job back, and has sent every task SIGTERM itself: cancelled,
# queued again, a node lost, or preempted when its grace is over. Were this
# script to end sooner, components that still run would count as done.
let_slurm_end() {
  local now
  touch "$SCRATCH/draining"
  say "Slurm ends the job: every role saves and ends"
  while now=$(placement) && [[ $now == *RUNNING* ]]; do
    # With a lost node goes its component; the others must follow.
    if [[ $now == *PENDING* ]]; then
      scontrol requeue "$SLURM_JOB_ID" || true
    fi
    sleep 1
  done
}

# Waits until a role has ended for good, or somebody asks for the end.
await_end() {
  while [[ -z $ASKED && ! -s $SCRATCH/ended ]]; do
    # The end of a child and a signal end this; the sleep is for what came just
    # before it.
    sleep 5 {lock}>&- &
    wait -n || true
  done
}
