# Sourced by run: the jobs. Within a round the peers take their turns, in every other round backwards.

# One line of results. $1: job, $2: peer; the rest comes from measure.
record() {
  printf '%s\t' "$round" "$1" "$2" "$size" "$wall" "$cpu" "$server" "$memory" "$3" "$load" >>"$results"
  printf '%s\n' "${4-}" >>"$results"
  say "$(printf '%s %-15s %-16s wall %6d ms, cpu %6d ms, server %5d ms, memory %4d MiB, stored %10d, load %s %s' \
    "$round" "$1" "$2" "$wall" "$cpu" "$server" "$memory" "$3" "$load" "${4-}")"
}

has() { declare -F "$1_$2" >/dev/null; }

in_turn() {
  local place
  for ((place = 0; place < ${#peers[@]}; place++)); do
    if ((round % 2)); then echo "${peers[place]}"; else echo "${peers[${#peers[@]} - 1 - place]}"; fi
  done
}

# A backup of the cluster as it is; needed by all that builds on one.
need_base() {
  [[ -e $work/repo/$1.base && $(<"$work/repo/$1.base") == $(<"$cluster.id") ]] || back_up_whole "$1"
}

back_up_whole() {
  rm -f "$work/repo/$1.base"
  install -d -o "$server_account" "$work/repo"
  "$1_reset" >>"$log" 2>&1
  measure "$1_full"
  cp "$cluster.id" "$work/repo/$1.base"
}

job_full() {
  local peer
  for peer in $(in_turn); do
    back_up_whole "$peer"
    record full "$peer" "$(bytes_in "$work/repo/$peer")" "$(requests_of "$peer")"
  done
}

# $1: percent
job_incremental() {
  local peer before blocks extra
  for peer in $(in_turn); do
    ! has "$peer" incremental || need_base "$peer"
  done
  changes=$((changes + 1))
  blocks=$(change_pages "$1" "$changes")
  say "The log says that $blocks blocks were changed"
  echo "$changes" >>"$cluster.id"
  for peer in $(in_turn); do
    has "$peer" incremental || continue
    before=$(bytes_in "$work/repo/$peer")
    measure "${peer}_incremental"
    cp "$cluster.id" "$work/repo/$peer.base"
    extra=blocks=$blocks
    [[ $peer != thorbis* ]] || extra+=,$(sed -n 's/.*"bytesRead":\([0-9]*\),"bytesChanged":\([0-9]*\),"bytesStored":\([0-9]*\).*/read=\1,changed=\2,stored=\3/p' "$work/run/job.log")
    record "incremental-$1" "$peer" "$(($(bytes_in "$work/repo/$peer") - before))" "$extra"
  done
}

restore_anew() {
  rm -rf "$work/restored/pgdata"
  if [[ $1 == pgbackrest || $1 == restic ]]; then as_server mkdir -m 0700 "$work/restored/pgdata"; fi
  measure "$1_restore" "$work/restored/pgdata"
}

job_restore() {
  local peer
  for peer in $(in_turn); do
    has "$peer" restore || continue
    need_base "$peer"
    restore_anew "$peer"
    record restore "$peer" "$(bytes_in "$work/restored/pgdata")" "$(requests_of "$peer")"
    compare_restored "$peer"
  done
  rm -rf "$work/restored/pgdata"
}

# Over what was restored before, in which each hundredth page of the relations was overwritten since.
job_delta() {
  local peer
  for peer in $(in_turn); do
    has "$peer" delta || continue
    need_base "$peer"
    restore_anew "$peer"
    damage "$work/restored/pgdata" "$round"
    measure "${peer}_delta" "$work/restored/pgdata"
    record delta "$peer" "$(bytes_in "$work/restored/pgdata")"
    compare_restored "$peer"
  done
  rm -rf "$work/restored/pgdata"
}

# Writes noise over every hundredth page, at random with the seed $2.
damage() {
  find "$1/base" -type f -name '[1-9]*' -print | sort | perl -e '
    srand $ARGV[0];
    while (my $file = <STDIN>) {
      chomp $file;
      my $pages = int((-s $file) / 8192);
      my @chosen = grep { rand() < 0.01 } 0 .. $pages - 1 or next;
      open my $out, "+<", $file or die "$file: $!";
      for my $page (@chosen) {
        seek $out, $page * 8192, 0;
        print $out pack("L*", map { int rand 2**32 } 1 .. 2048);
      }
      close $out or die "$file: $!";
    }' "$2"
}

job_verify() {
  local peer
  for peer in $(in_turn); do
    has "$peer" "verify_$1" || continue
    need_base "$peer"
    measure "${peer}_verify_$1"
    record "verify-$1" "$peer" 0
  done
}

# Nobody changes the relations between a backup and its restore; but what reads a catalogue may prune a page of it.
compare_restored() {
  local found where=$work/restored/pgdata
  [[ $1 != restic && $1 != borg ]] || where+=$cluster
  found=$(diff -rq "$cluster/base" "$where/base" 2>&1 | grep -v -e pg_internal.init -e pgsql_tmp |
    grep -vFf <(find "$cluster/base" -type f -newer "$work/repo/$1.base" -printf 'Files %p and \n') | head -5) || true
  [[ -z $found ]] || fail "what $1 restored is not what was backed up: $found"
}

# ---- the log -------------------------------------------------------------------------------------

# A data directory as an archiver sees it, without a server: 125 segments that are ready.
prepare_archiver() {
  local name where=$work/run/${1-log}
  rm -rf "$where"
  cp -a "$work/data/wal/base" "$where"
  rm -rf "$where/pg_wal"
  as_server mkdir -p "$where/pg_wal/archive_status"
  for name in $(ls "$work/data/wal/segments"); do
    cp -p "$work/data/wal/segments/$name" "$where/pg_wal/"
    as_server touch "$where/pg_wal/archive_status/$name.ready"
  done
}

# What the archiver does: one command after another, for each segment that is ready. $1: archive_command
archiver='
  cd "$1"
  for name in $(ls pg_wal | grep -E "^[0-9A-F]{24}$"); do
    command=${2//%p/pg_wal\/$name}
    command=${command//%f/$name}
    sh -c "${command//%%/%}" || exit 1
    mv "pg_wal/archive_status/$name.ready" "pg_wal/archive_status/$name.done"
  done'

# What a recovery does without redo. $1: restore_command
fetcher='
  cd "$1"
  for name in $(ls ../../data/wal/segments); do
    command=${2//%p/pg_wal\/RECOVERYXLOG}
    command=${command//%f/$name}
    sh -c "${command//%%/%}" || exit 1
    mv pg_wal/RECOVERYXLOG "pg_wal/$name"
  done'

job_wal_push() {
  local peer before instance=-log
  for peer in $(in_turn); do
    has "$peer" wal_push || continue
    push_whole "$peer"
    record wal-push "$peer" "$(($(bytes_in "$work/repo/${peer%-async}$instance") - before))" "$(requests_of "$peer")"
  done
}

push_whole() {
  rm -f "$work/repo/${1%-async}$instance.base"
  prepare_archiver
  "$1_wal_reset" >>"$log" 2>&1
  "$1_wal_begin" archive
  before=$(bytes_in "$work/repo/${1%-async}$instance")
  measure "$1_wal_push"
  "$1_wal_end"
  # The asynchronous variant shares the repository.
  echo "$stamp" >"$work/repo/${1%-async}$instance.base"
}

need_log() { [[ -e $work/repo/${1%-async}$instance.base ]] || push_whole "$1"; }

job_wal_get() {
  local peer name before instance=-log
  for peer in $(in_turn); do
    has "$peer" wal_get || continue
    need_log "$peer"
    rm -rf "$work/run/log/pg_wal"
    as_server mkdir "$work/run/log/pg_wal"
    "${peer}_wal_begin" restore
    measure "${peer}_wal_get"
    "${peer}_wal_end"
    record wal-get "$peer" 0 "$(requests_of "$peer")"
    for name in $(ls "$work/data/wal/segments"); do
      cmp "$work/data/wal/segments/$name" "$work/run/log/pg_wal/$name" || fail "what $peer fetched as $name is not what was pushed"
    done
  done
}

# Recovery of a base backup and the log after it, up to the promotion.
job_replay() {
  local peer reached before expected='' instance=-log
  for peer in $(in_turn); do
    has "$peer" restore_command || continue
    [[ $peer == cp ]] || need_log "$peer"
    rm -rf "$work/run/log"
    cp -a "$work/data/wal/base" "$work/run/log"
    as_server touch "$work/run/log/recovery.signal"
    "${peer}_wal_begin" restore
    configure "$work/run/log" "port = $((port + 1))" 'archive_mode = off' "restore_command = '$("${peer}_restore_command" | sed "s/'/''/g")'"
    measure replay
    "${peer}_wal_end"
    record replay "$peer" 0
    reached=$("$programs/pg_controldata" "$work/run/log" | sed -n 's/^Latest checkpoint location: *//p')
    [[ ${expected:=$reached} == "$reached" ]] || fail "recovery with $peer ended at $reached, and before at $expected"
  done
}

replay() {
  local server_log=$work/run/replay.log
  : >"$server_log"
  as_server "$programs/postgres" -D "$work/run/log" >>"$server_log" 2>&1 &
  until grep -q 'database system is ready to accept connections' "$server_log"; do
    kill -0 $! || return 1
    sleep 0.05
  done
  as_server "$programs/pg_ctl" --silent --wait -D "$work/run/log" --mode=immediate stop
}

# ------------------------------------------------------------------------------------------------

run_jobs() {
  local job peer
  changes=0
  for peer in "${peers[@]}"; do
    declare -F "${peer}_version" >/dev/null || misused "there is no peer $peer"
  done
  forget_what_is_missing
  if [[ ${jobs[*]} == *full* || ${jobs[*]} == *incr* || ${jobs[*]} == *restore* || ${jobs[*]} == *delta* || ${jobs[*]} == *verify* ]]; then
    copy_cluster "$size" $anew
  fi
  if [[ ${jobs[*]} == *wal* || ${jobs[*]} == *replay* ]]; then make_wal; fi
  thorbis_configure
  pgbackrest_configure
  printf '# machine: %s, %s processors, %s MiB, %s on %s, Linux %s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(nproc)" \
    "$(awk '/^MemTotal/ { printf "%d", $2 / 1024 }' /proc/meminfo)" "$(findmnt -n -o FSTYPE -T "$work")" "$(findmnt -n -o SOURCE -T "$work")" "$(uname -r)" >>"$results"
  printf '# server: %s\n' "$("$programs/postgres" --version)" >>"$results"
  printf '# java: %s\n' "$(java -version 2>&1 | head -1)" >>"$results"
  for peer in "${peers[@]}"; do printf '# %s: %s\n' "$peer" "$("${peer}_version" 2>&1 | head -1)" >>"$results"; done
  for job in "${jobs[@]}"; do
    for ((round = 1; round <= rounds; round++)); do
      case $job in
        wal-* | replay) stop_server ;;
        *) need_server ;;
      esac
      case $job in
        full) job_full ;;
        incremental-*) job_incremental "${job#incremental-}" ;;
        restore) job_restore ;;
        delta) job_delta ;;
        verify-*) job_verify "${job#verify-}" ;;
        wal-push) job_wal_push ;;
        wal-get) job_wal_get ;;
        replay) job_replay ;;
        *) fail "there is no job $job" ;;
      esac
    done
  done
}
