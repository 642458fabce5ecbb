# Sourced by run: runs a command and says what it took. Each job has a control group, so that no process of it is missed;
# what has to be running before it begins is its helper and counts from there on; the server has a third group.

groups=$(findmnt -n -t cgroup2 -o TARGET | head -1)

enter() {
  echo "$BASHPID" >"$groups/thorbis-benchmarks-$1/cgroup.procs"
  [[ -z $shares ]] || echo "$BASHPID" >"$shares/cgroup.procs"
}

cpu_of() { awk '$1 == "usage_usec" { print $2 }' "$groups/thorbis-benchmarks-$1/cpu.stat"; }

# With --priority a group that gets the processors before all others.
shares=''

open_groups() {
  [[ -n $groups ]] || fail "there is no control group file system of version 2"
  mkdir -p "$groups/thorbis-benchmarks-job" "$groups/thorbis-benchmarks-server" "$groups/thorbis-benchmarks-helper"
  if $priority; then
    shares=$(findmnt -n -t cgroup -O cpu -o TARGET | head -1)
    [[ -n $shares ]] || fail "--priority needs the processor controller of control groups of version 1"
    shares+=/thorbis-benchmarks
    mkdir -p "$shares"
    echo 131072 >"$shares/cpu.shares"
  fi
}

end_all_of() {
  local pid
  while read -r pid; do kill -TERM "$pid" || true; done 2>/dev/null <"$groups/thorbis-benchmarks-$1/cgroup.procs" || true
}

close_groups() {
  rmdir "$groups/thorbis-benchmarks-job" "$groups/thorbis-benchmarks-server" "$groups/thorbis-benchmarks-helper" ${shares:+"$shares"} 2>/dev/null || true
}

# The largest sum of resident memory over the processes of the job, seen every 50 ms. Starts no process itself. One that
# was forked a moment ago shares its parent's memory until it becomes another program: it is known by having the same figures.
sample_memory() {
  local largest=0 sum group pid figures pages pause
  local -A seen
  exec 2>/dev/null # a process may end between the two looks
  exec {pause}<> <(:)
  trap 'echo "$largest" >"$work/run/memory"; exit' TERM
  while :; do
    sum=0 seen=()
    for group in job helper; do
      while read -r pid; do
        if read -r figures <"/proc/$pid/statm" && [[ -z ${seen[$figures]-} ]]; then
          seen[$figures]=1
          pages=${figures#* }
          pages=${pages%% *}
          sum=$((sum + pages))
        fi
      done <"$groups/thorbis-benchmarks-$group/cgroup.procs"
    done
    ((sum <= largest)) || largest=$sum
    read -rt 0.05 -u "$pause" || true
  done
}

# Runs "$@" and leaves wall, cpu and server in milliseconds, and memory in MiB.
measure() {
  local from cpu_from server_from sampler status=0
  sync
  read -r load _ </proc/loadavg
  sample_memory &
  sampler=$!
  cpu_from=$(($(cpu_of job) + $(cpu_of helper))) server_from=$(cpu_of server)
  from=${EPOCHREALTIME/./}
  (
    enter job
    "$@"
  ) >"$work/run/job.log" 2>&1 </dev/null || status=$?
  # A daemon that the job left behind belongs to it until it ends.
  while [[ -n $(<"$groups/thorbis-benchmarks-job/cgroup.procs") ]]; do sleep 0.02; done
  wall=$(((${EPOCHREALTIME/./} - from) / 1000))
  cpu=$((($(cpu_of job) + $(cpu_of helper) - cpu_from) / 1000))
  server=$((($(cpu_of server) - server_from) / 1000))
  kill -TERM "$sampler"
  wait "$sampler" || true
  memory=$(($(<"$work/run/memory") * $(getconf PAGESIZE) / 1048576))
  if ((status != 0)); then
    tail -n 20 "$work/run/job.log" >&2
    fail "$* ended with $status: see $work/run/job.log"
  fi
}

bytes_in() { find "$@" -type f -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { printf "%.0f", sum }'; }
