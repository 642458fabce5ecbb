# Sourced by run: makes the data sets, with a fixed seed, once. Each ends as a cluster that was shut down cleanly.

# Words that compress like text: the same ones every time. OFFSET 0 where they are used: made once, not for each word.
# Elements of one length are found without a walk through the array.
readonly words="string_to_array((SELECT string_agg(substr(md5('word' || n), 1, 3 + n % 7), ' ') FROM generate_series(1, 512) n), ' ')::name[]"

# Rows per table of a size, and what is the same for each row.
dimensions() {
  case $1 in
    large) scale=200 documents=1150000 values=11000 objects=50 tables=2000 ;;
    medium) scale=120 documents=690000 values=6600 objects=30 tables=1200 ;;
    small) scale=20 documents=115000 values=1100 objects=5 tables=200 ;;
    files) scale=1 documents=1000 values=10 objects=1 tables=8000 ;;
    *) fail "there is no data set $1" ;;
  esac
}

# $1: the folder of the cluster. The rest goes into its configuration.
init_cluster() {
  local folder=$1
  shift
  as_server "$programs/initdb" --data-checksums --locale=C --encoding=UTF8 --auth=trust --username=postgres -D "$folder" >>"$log"
  {
    printf "listen_addresses = '127.0.0.1'\nport = %s\nunix_socket_directories = '%s'\n" "$port" "$work/run"
    printf '%s\n' 'shared_buffers = 256MB' 'max_wal_size = 4GB' 'checkpoint_timeout = 1h' 'autovacuum = off' \
      'jit = off' 'max_connections = 40' 'logging_collector = off' "include = 'job.conf'"
  } >>"$folder/postgresql.conf"
  configure "$folder" "$@"
}

# What a job or the making of data needs apart from the rest.
configure() {
  local folder=$1
  shift
  printf '%s\n' "$@" >"$folder/job.conf"
  chown "$server_account" "$folder/job.conf"
}

start_server() {
  (
    enter server
    exec_as_server "$programs/pg_ctl" --silent --wait --timeout=300 -D "$1" -l "$work/run/server.log" start
  ) || fail "the server in $1 did not start: see $work/run/server.log"
  running=$1
}

# The server with the cluster that jobs work on, unless it runs already.
need_server() {
  [[ ${running-} == "$cluster" ]] || start_server "$cluster"
}

stop_server() {
  [[ -n ${running-} ]] || return 0
  as_server "$programs/pg_ctl" --silent --wait --timeout=300 -D "$running" --mode=fast stop
  running=
}

sql() { as_server psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/run" -p "$port" -U postgres "$@"; }

make_cluster() {
  local size=$1 folder=$work/data/$1 half
  [[ ! -e $folder/pgdata ]] || return 0
  dimensions "$size"
  say "Making the data set $size, once"
  rm -rf "$folder.new"
  install -d -o postgres "$folder.new"
  # Filled under the log level that a server with backups has: under "minimal" pages would have no log position.
  init_cluster "$folder.new/pgdata" 'fsync = off' 'full_page_writes = off' 'wal_level = replica' \
    'maintenance_work_mem = 512MB' 'max_locks_per_transaction = 1024'
  start_server "$folder.new/pgdata"
  sql -d postgres -c 'CREATE DATABASE bench'
  # Room for one more row on each page, so that an update changes that page alone.
  as_server pgbench -q -i -I dtGp -s "$scale" -F 90 -h "$work/run" -p "$port" -U postgres bench 2>>"$log"
  sql -d bench <<SQL &
    CREATE TABLE documents (id bigint PRIMARY KEY, content jsonb NOT NULL, body text NOT NULL) WITH (fillfactor = 90);
    INSERT INTO documents
      SELECT i,
        jsonb_build_object('customer', md5(i::text), 'status', (ARRAY['new', 'paid', 'sent', 'closed'])[1 + i % 4],
          'amount', (i * 7919::bigint) % 100000 / 100.0, 'currency', 'EUR', 'position', i * 31 % 997,
          'sku', 'SKU-' || (hashint8extended(i, 3) & 65535)),
        (SELECT string_agg(w[1 + (hashint8extended(i * 64 + k, 1) & 511)], ' ') FROM generate_series(1, 80) k)
      FROM generate_series(1, $documents) i, (SELECT $words AS w OFFSET 0) v;
    CREATE INDEX ON documents ((content ->> 'customer'));
SQL
  half=$!
  sql -d bench >/dev/null <<SQL
    CREATE TABLE large_values (id bigint PRIMARY KEY, noise bytea NOT NULL, body text NOT NULL);
    ALTER TABLE large_values ALTER noise SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;
    INSERT INTO large_values
      SELECT i,
        (SELECT string_agg(decode(md5(i || ':' || k), 'hex'), '') FROM generate_series(1, 1024) k),
        (SELECT string_agg(w[1 + (hashint8extended(i * 4096 + k, 2) & 511)], ' ') FROM generate_series(1, 2400) k)
      FROM generate_series(1, $values) i, (SELECT $words AS w OFFSET 0) v;
    SELECT count(lo_from_bytea(0, convert_to(repeat(b, 64), 'UTF8')))
      FROM (SELECT (SELECT string_agg(w[1 + (hashint8extended(i * 4096 + k, 4) & 511)], ' ') FROM generate_series(1, 2400) k) AS b
        FROM generate_series(1, $objects) i, (SELECT $words AS w OFFSET 0) v) o;
SQL
  wait "$half"
  seq "$tables" | awk '{
    printf "CREATE TABLE small_%d (id int PRIMARY KEY, note text); INSERT INTO small_%d SELECT n, md5(n::text) FROM generate_series(1, 40) n;\n", $1, $1
  }' | sql -d bench
  sql -d bench -c 'VACUUM (FREEZE, ANALYZE)' -c CHECKPOINT
  stop_server
  configure "$folder.new/pgdata" "archive_mode = on" "archive_command = '/bin/true'" 'wal_level = replica'
  sync -f "$folder.new"
  mv "$folder.new" "$folder"
}

# A base backup, the 125 segments (2,000 MiB) from there on, and the cluster that wrote them.
make_wal() {
  local folder=$work/data/wal round
  [[ ! -e $folder/segments ]] || return 0
  say "Making the log, once"
  rm -rf "$folder.new"
  install -d -o postgres "$folder.new" "$folder.new/segments"
  init_cluster "$folder.new/pgdata" 'fsync = off' 'archive_mode = on' 'wal_level = replica' \
    "archive_command = 'cp %p $folder.new/segments/%f'"
  start_server "$folder.new/pgdata"
  sql -d postgres -c 'CREATE DATABASE bench'
  as_server pgbench -q -i -I dtGvp -s 50 -h "$work/run" -p "$port" -U postgres bench 2>>"$log"
  sql -d bench -c CHECKPOINT -c 'SELECT pg_switch_wal()' >/dev/null
  rm -f "$folder.new/segments"/*
  as_server "$programs/pg_basebackup" -h "$work/run" -p "$port" -U postgres -D "$folder.new/base" --checkpoint=fast -X none --no-sync 2>>"$log"
  for ((round = 1; $(find "$folder.new/segments" -size 16M | wc -l) <= 127; round++)); do
    as_server pgbench -n -M prepared -c 2 -t 8000 --random-seed="$round" -h "$work/run" -p "$port" -U postgres bench >>"$log" 2>&1
    sql -d bench -c CHECKPOINT
  done
  stop_server
  # Exactly 125 from the one that the backup starts in.
  local first
  first=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$folder.new/base/backup_label")
  find "$folder.new/segments" -type f -printf '%f\n' | grep -E '^[0-9A-F]{24}$' | sort | awk -v first="$first" '($0 "") < first "" || ++n > 125' |
    sed "s|^|$folder.new/segments/|" | xargs -r rm -f
  find "$folder.new/segments" -name '*.backup' -delete
  configure "$folder.new/pgdata" 'archive_mode = off' 'wal_level = replica'
  sync -f "$folder.new"
  mv "$folder.new" "$folder"
}

# The cluster that jobs work on and change: a copy of a data set. $1: the size; $2: "anew" throws away what was changed.
copy_cluster() {
  local size=$1
  cluster=$work/cluster/$size
  if [[ -e $cluster.id && ${2-} != anew ]]; then
    return 0
  fi
  make_cluster "$size"
  say "Copying the data set $size"
  rm -rf "$cluster" "$cluster.id"
  install -d -o postgres "$work/cluster"
  cp -a "$work/data/$size/pgdata" "$cluster"
  sync -f "$cluster"
  printf '%s %s\n' "$size" "$EPOCHREALTIME" >"$cluster.id"
}

# Updates one row on $1 percent of the heap pages of the two large tables; $2 is the seed, and which row of the page.
# Prints how many distinct blocks the log says were changed.
change_pages() {
  local percent=$1 round=$2 table column from blocks
  from=$(sql -d bench -c CHECKPOINT -c 'SELECT pg_current_wal_insert_lsn()')
  for table in pgbench_accounts:abalance=abalance+1 documents:body=upper\(body\); do
    column=${table#*:} table=${table%%:*}
    sql -d bench >/dev/null <<SQL
      SELECT setseed(0.01 * $round);
      CREATE TEMP TABLE pick AS SELECT format('(%s,%s)', n, $round + 1)::tid AS place
        FROM generate_series(0, pg_relation_size('$table') / 8192 - 1) n
        ORDER BY random() LIMIT pg_relation_size('$table') / 8192 * $percent / 100;
      UPDATE $table SET $column WHERE ctid = ANY (ARRAY(SELECT place FROM pick));
SQL
  done
  # Before the next checkpoint removes what it came from.
  blocks=$(as_server "$programs/pg_waldump" -p "$cluster/pg_wal" -s "$from" -e "$(sql -d bench -c 'SELECT pg_current_wal_flush_lsn()')" |
    grep -oE 'rel [0-9]+/[0-9]+/[0-9]+( fork [a-z]+)? blk [0-9]+' | sort -u | wc -l)
  sql -d bench -c CHECKPOINT
  echo "$blocks"
}
