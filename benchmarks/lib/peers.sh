# Sourced by run: how each tool is set up and called. PEER_reset empties its repository, PEER_version says what it is, and
# PEER_JOB is what is measured; a tool without a function for a job has no such job.

# ---- Debian 13 in a folder -----------------------------------------------------------------------

peers_root=$work/peers

install_peers() {
  local mirror
  if [[ ! -e $peers_root ]]; then
    say "Installing the peers from Debian 13, once"
    command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >>"$log"
    # The mirror that this system itself uses.
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | sed -n 's/^Debian //p' | head -1)
    [[ -n $mirror ]] || fail "apt knows no mirror of Debian: run apt-get update"
    rm -rf "$peers_root.new"
    debootstrap --variant=minbase --include=pgbackrest,restic,borgbackup,postgresql-17,lz4,zstd trixie "$peers_root.new" "$mirror" >>"$log" ||
      fail "debootstrap failed: see $log"
    mv "$peers_root.new" "$peers_root"
  fi
  # Inside, the account has the same name and number as outside.
  sed -i -E "s/^postgres:x:[0-9]+:[0-9]+:/postgres:x:$(id -u postgres):$(id -g postgres):/" "$peers_root/etc/passwd"
  sed -i -E "s/^postgres:x:[0-9]+:/postgres:x:$(id -g postgres):/" "$peers_root/etc/group"
  mkdir -p "$peers_root$work"
  mount --bind "$work" "$peers_root$work"
  mount --bind /proc "$peers_root/proc"
  mount --bind /dev "$peers_root/dev"
}

in_peers() { chroot --userspec="$(id -u postgres):$(id -g postgres)" "$peers_root" /usr/bin/env -i HOME="$work/home" PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"; }

# ---- Thorbis Backup ------------------------------------------------------------------------------

# Segments go to a repository of their own, so that the jobs do not depend on each other: instance is empty or -log.
instance=''
copy=''

thorbis() { as_server "$root/bin/thorbis" -c "$work/thorbis$instance.yaml" --quiet --json "$@"; }

thorbis_version() { "$root/bin/thorbis" --version; }

thorbis_configure() {
  local settings=''
  [[ -z $copy ]] || settings="      $copy: { delay: $pause }"
  cat >"$work/thorbis$instance.yaml" <<Y
state-directory: $work/home/state$instance
repository:
  copies:
    - uri: ${copy:-file}://$work/repo/thorbis$instance
$settings
  compression: { codec: $codec, level: 1 }
  encryption:
    recipients:
      - uri: passphrase:benchmark
        passphrase: a passphrase for benchmarks
    accept-single-key-risk: true
sources:
  bench:
    type: postgres
    url: jdbc:postgresql://127.0.0.1:$port/bench
    user: postgres
    password: unused
    reader: $reader
    data-directory: $cluster
    bin-directory: $programs
    parallelism: 2
  log:
    type: postgres
    url: jdbc:postgresql://127.0.0.1:$port/bench
    user: postgres
    password: unused
    data-directory: ${1-$work/run/log}
    bin-directory: $programs
  earlier:
    type: postgres
    url: jdbc:postgresql://127.0.0.1:$port/bench
    user: postgres
    password: unused
    data-directory: ${1-$work/run/earlier}
    bin-directory: $programs
Y
  chown "$server_account" "$work/thorbis$instance.yaml"
  chmod 600 "$work/thorbis$instance.yaml"
}

thorbis_reset() {
  sql -d bench -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" >/dev/null
  thorbis_reset_repository
}

thorbis_reset_repository() {
  rm -rf "$work/repo/thorbis$instance" "$work/home/state$instance"
  thorbis_configure
  thorbis init >>"$log"
}

thorbis_full() { thorbis backup bench --type full; }
thorbis_incremental() { thorbis backup bench --type incremental; }
thorbis_restore() { thorbis restore bench --target-dir "$1" --immediate; }
thorbis_delta() { thorbis restore bench --target-dir "$1" --immediate --delta --yes; }
thorbis_verify_objects() { thorbis verify --level objects; }
thorbis_verify_data() { thorbis verify --level data; }

# The other readers, each with a repository of its own.
thorbis-replication_version() { thorbis_version; }
thorbis-replication_reset() { local instance=-replication reader=replication && thorbis_reset; }
thorbis-replication_full() { local instance=-replication && thorbis_full; }
thorbis-replication_incremental() { local instance=-replication && thorbis_incremental; }
thorbis-sql_version() { thorbis_version; }
thorbis-sql_reset() { local instance=-sql reader=sql && thorbis_reset; }
thorbis-sql_full() { local instance=-sql && thorbis_full; }
thorbis-sql_incremental() { local instance=-sql && thorbis_incremental; }

# With a receiver that has captured the log since the full backup, as where backups serve recovery to a moment. What it
# takes is not counted, as it is not for the archiver of any tool.
thorbis-captured_version() { thorbis_version; }
thorbis-captured_reset() {
  local instance=-captured tries
  [[ -z ${receiving-} ]] || kill -TERM "$receiving" || true
  thorbis_reset
  # A source becomes known by its first backup, which a receiver needs.
  thorbis backup bench --type full
  exec_as_server "$root/bin/thorbis" -c "$work/thorbis$instance.yaml" --quiet wal receive bench >"$work/run/receive.log" 2>&1 </dev/null &
  receiving=$!
  for ((tries = 0; tries < 200; tries++)); do
    [[ $(sql -d bench -c "SELECT bool_or(active) FROM pg_replication_slots") != t ]] || return 0
    sleep 0.1
  done
  fail "wal receive does not stream: see $work/run/receive.log"
}
thorbis-captured_full() { local instance=-captured && thorbis_full; }
thorbis-captured_incremental() { local instance=-captured && thorbis_incremental; }

# A store whose requests take longer, and the same one where they do not: a provider of the benchmarks' own.
delayed_version() {
  local app=$root/.build/benchmarks
  if [[ ! -e $app/stamp || -n $(find "$root/benchmarks/src" "$root/benchmarks/pom.xml" -newer "$app/stamp" -print -quit) ]]; then
    rm -rf "$app"
    (cd "$root" && mvn -q -B -Dquick -Dmaven.test.skip=true -Dthorbis.target=target/app -Dthorbis.app="$app" -pl benchmarks -am package) >>"$log" 2>&1 || return 1
    touch "$app/stamp"
  fi
  thorbis_version
}
delayed() {
  local copy=delayed instance=-$1${instance} pause=0ms
  [[ $1 != far ]] || pause=$delay
  export THORBIS_CLASS_PATH=$root/.build/benchmarks/app.jar THORBIS_JAVA_OPTS=-Dthorbis.delayed.counts=$work/run/requests
  rm -f "$work/run/requests"
  "${@:2}"
  unset THORBIS_CLASS_PATH THORBIS_JAVA_OPTS
}
# How many requests the last command of such a peer sent, and how many at once. $1: peer
requests_of() {
  [[ $1 != thorbis-near && $1 != thorbis-far ]] || tail -n 1 "$work/run/requests" || true
}
for where in near far; do
  eval "
    thorbis-${where}_version() { delayed_version; }
    thorbis-${where}_reset() { delayed $where thorbis_reset; }
    thorbis-${where}_full() { delayed $where thorbis_full; }
    thorbis-${where}_restore() { delayed $where thorbis_restore \"\$1\"; }
    thorbis-${where}_wal_reset() { delayed $where thorbis_wal_reset; }
    thorbis-${where}_wal_begin() { delayed $where thorbis_wal_begin \"\$1\"; }
    thorbis-${where}_wal_end() { thorbis_wal_end; }
    thorbis-${where}_wal_push() { thorbis_wal_push; }
    thorbis-${where}_wal_get() { thorbis_wal_get; }
  "
done

# Jobs that this version does not have are left out, and said to be.
forget_what_is_missing() {
  if [[ $("$root/bin/thorbis" restore --help) != *--delta* ]]; then
    printf '# not there yet: thorbis delta\n' >>"$results"
    unset -f thorbis_delta
  fi
}

# The command in the setting that is printed for postgresql.conf. $1: archive or restore, $2: the source
thorbis_hook() {
  as_server "$root/bin/thorbis" -c "$work/thorbis$instance.yaml" wal hook "${2-log}" "--$1" | sed "s/^[a-z_]* = '//; s/'\$//; s/''/'/g"
}

# Starts the resident process. $1: archive or restore, then the sources
thorbis_wal_begin() {
  local tries sources=("${@:2}")
  [[ -n ${sources[*]} ]] || sources=(log)
  hook=$(thorbis_hook "$1")
  (
    enter helper
    exec_as_server "$root/bin/thorbis" -c "$work/thorbis$instance.yaml" --quiet wal serve "${sources[@]}"
  ) >"$work/run/serve.log" 2>&1 </dev/null &
  serving=$!
  for ((tries = 0; tries < 200; tries++)); do
    [[ ! -e $work/run/log/pg_wal/thorbis/alive ]] || return 0
    sleep 0.1
  done
  fail "wal serve does not answer: see $work/run/serve.log"
}

thorbis_wal_end() {
  kill -TERM "$serving"
  wait "$serving" || true
}

# A source becomes known by its first backup, which needs its server. $@: sources beside log
thorbis_wal_reset() {
  local source
  thorbis_reset_repository
  thorbis_configure "$work/data/wal/pgdata"
  start_server "$work/data/wal/pgdata"
  for source in log "$@"; do thorbis backup "$source"; done
  stop_server
  thorbis_configure
}

thorbis_wal_push() { as_server bash -c "$archiver" archiver "$work/run/log" "$hook"; }
thorbis_wal_get() { as_server bash -c "$fetcher" fetcher "$work/run/log" "$hook"; }
thorbis_restore_command() { echo "$hook"; }

# A process that runs for months, as the one that serves the log does, has compiled itself long ago: here it has done the
# same for another source before it is measured.
thorbis-resident_version() { thorbis_version; }
thorbis-resident_wal_reset() { local instance=-resident-log && thorbis_wal_reset earlier; }
thorbis-resident_wal_begin() {
  local instance=-resident-log
  case $1 in
    archive) prepare_archiver earlier ;;
    restore) rm -rf "$work/run/earlier/pg_wal" && as_server mkdir "$work/run/earlier/pg_wal" ;;
  esac
  thorbis_wal_begin "$1" log earlier
  case $1 in
    archive) as_server bash -c "$archiver" archiver "$work/run/earlier" "$(thorbis_hook archive earlier)" ;;
    restore) as_server bash -c "$fetcher" fetcher "$work/run/earlier" "$(thorbis_hook restore earlier)" ;;
  esac
}
thorbis-resident_wal_end() { thorbis_wal_end; }
thorbis-resident_wal_push() { thorbis_wal_push; }
thorbis-resident_wal_get() { thorbis_wal_get; }

# ---- pgBackRest ----------------------------------------------------------------------------------

pgbackrest() { in_peers pgbackrest --config="$work/pgbackrest$instance.conf" --stanza=bench "$@"; }

pgbackrest_version() { in_peers pgbackrest version; }

pgbackrest_configure() {
  cat >"$work/pgbackrest$instance.conf" <<C
[global]
repo1-path=$work/repo/pgbackrest$instance
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=a passphrase for benchmarks
repo1-bundle=y
repo1-block=y
repo1-retention-full=99
compress-type=zst
compress-level=3
process-max=2
start-fast=y
archive-check=n
archive-copy=n
log-level-console=warn
log-level-file=off
lock-path=$work/run/pgbackrest
spool-path=$work/run/pgbackrest-spool
[bench]
pg1-path=${1-$cluster}
pg1-port=$port
pg1-socket-path=$work/run
pg1-user=postgres
C
}

pgbackrest_reset() {
  rm -rf "$work/repo/pgbackrest"
  pgbackrest_configure
  pgbackrest stanza-create
}

pgbackrest_full() { pgbackrest --type=full backup; }
pgbackrest_incremental() { pgbackrest --type=incr backup; }
pgbackrest_restore() { pgbackrest --pg1-path="$1" --type=immediate restore; }
pgbackrest_delta() { pgbackrest --pg1-path="$1" --type=immediate --delta restore; }
pgbackrest_verify_objects() { pgbackrest verify; }

pgbackrest_wal_reset() {
  rm -rf "$work/repo/pgbackrest$instance" "$work/run/pgbackrest-spool"
  pgbackrest_configure "$work/run/log"
  pgbackrest --no-online stanza-create
}

pgbackrest_wal_begin() { hook="pgbackrest --config=$work/pgbackrest$instance.conf --stanza=bench"; }
pgbackrest_wal_end() { :; }
pgbackrest_wal_push() { in_peers bash -c "$archiver" archiver "$work/run/log" "$hook ${1-} archive-push %p"; }
pgbackrest_wal_get() { in_peers bash -c "$fetcher" fetcher "$work/run/log" "$hook ${1-} archive-get %f %p"; }

# The server runs outside the folder of the peers, and so must this, with the libraries inside.
pgbackrest_restore_command() {
  local libraries=$peers_root/usr/lib/x86_64-linux-gnu
  echo "$libraries/ld-linux-x86-64.so.2 --library-path $libraries $peers_root/usr/bin/${hook} archive-get %f %p"
}

pgbackrest-async_version() { pgbackrest_version; }
pgbackrest-async_wal_reset() { pgbackrest_wal_reset; }
pgbackrest-async_wal_begin() { pgbackrest_wal_begin; }
pgbackrest-async_wal_end() { :; }
pgbackrest-async_wal_push() { pgbackrest_wal_push --archive-async; }
pgbackrest-async_wal_get() { pgbackrest_wal_get --archive-async; }

# ---- cp, for the log alone -----------------------------------------------------------------------

cp_version() { cp --version; }
cp_wal_begin() { :; }
cp_wal_end() { :; }
cp_restore_command() { echo "cp $work/data/wal/segments/%f %p"; }

# ---- pg_basebackup -------------------------------------------------------------------------------

basebackup() {
  as_server "$programs/pg_basebackup" -h "$work/run" -p "$port" -U postgres --checkpoint=fast -X none -F tar -D "$work/repo/$1" --compress="$2"
}

untar() {
  local part
  part=$(find "$work/repo/$1" -name 'base.tar.*')
  as_server mkdir -m 0700 "$2"
  as_server "${part##*.}" -dc "$part" | as_server tar -x -C "$2"
  as_server find "$2" -type f -print0 | xargs -0 sync
}

basebackup-lz4_version() { "$programs/pg_basebackup" --version; }
basebackup-lz4_reset() { rm -rf "$work/repo/basebackup-lz4"; }
basebackup-lz4_full() { basebackup basebackup-lz4 server-lz4; }
basebackup-lz4_restore() { untar basebackup-lz4 "$1"; }

basebackup-zstd_version() { "$programs/pg_basebackup" --version; }
basebackup-zstd_reset() { rm -rf "$work/repo/basebackup-zstd"; }
basebackup-zstd_full() { basebackup basebackup-zstd server-zstd:3; }

# ---- restic and borg, within the server's backup mode --------------------------------------------

# Runs "$@" between pg_backup_start and pg_backup_stop, which have to come from one session.
in_backup_mode() {
  local answer
  coproc session { exec psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/run" -p "$port" -U postgres -d postgres; }
  echo "SELECT pg_backup_start('benchmark', true);" >&"${session[1]}"
  read -r answer <&"${session[0]}"
  "$@"
  echo "SELECT lsn FROM pg_backup_stop();" >&"${session[1]}"
  read -r answer <&"${session[0]}"
  [[ $answer == */* ]]
}

restic() { in_peers RESTIC_PASSWORD=benchmark RESTIC_CACHE_DIR="$work/home/restic" GOMAXPROCS=2 restic -q --repo "$work/repo/restic" "$@"; }

restic_version() { in_peers restic version; }
restic_reset() {
  rm -rf "$work/repo/restic" "$work/home/restic"
  restic init
}
restic_full() { in_backup_mode restic backup "$cluster" --exclude "$cluster/pg_wal/*" --exclude "$cluster/postmaster.pid"; }
restic_incremental() { restic_full; }
restic_restore() {
  restic restore latest --target "$1"
  find "$1" -type f -print0 | xargs -0 sync
}
restic_verify_data() { restic check --read-data; }

borg() { in_peers BORG_PASSPHRASE=benchmark BORG_BASE_DIR="$work/home/borg" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes borg "$@"; }

borg_version() { in_peers borg --version; }
borg_reset() {
  rm -rf "$work/repo/borg" "$work/home/borg"
  borg init --encryption repokey-blake2 "$work/repo/borg"
}
borg_full() {
  in_backup_mode borg create --compression lz4 --exclude "$cluster/pg_wal/*" --exclude "$cluster/postmaster.pid" \
    "$work/repo/borg::$EPOCHREALTIME" "$cluster"
}
borg_incremental() { borg_full; }
borg_restore() {
  local last
  last=$(borg list --last 1 --short "$work/repo/borg")
  as_server mkdir -m 0700 "$1"
  in_peers BORG_PASSPHRASE=benchmark BORG_BASE_DIR="$work/home/borg" sh -c "cd '$1' && exec borg extract '$work/repo/borg::$last'"
  find "$1" -type f -print0 | xargs -0 sync
}
borg_verify_data() { borg check --verify-data "$work/repo/borg"; }
