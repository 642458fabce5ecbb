# Sourced by run: the medians of a file of results, and their ratios to pgBackRest's.

print_report() {
  grep '^#' "$1" | sed 's/^# /* /'
  awk -F '\t' '
    function median(list, n, parts, i, j, t) {
      n = split(list, parts, " ")
      for (i = 2; i <= n; i++) for (j = i; j > 1 && parts[j - 1] + 0 > parts[j] + 0; j--) { t = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = t }
      return n % 2 ? parts[(n + 1) / 2] : (parts[n / 2] + parts[n / 2 + 1]) / 2
    }
    function ratio(job, name, mine, theirs) { return job != "" && theirs > 0 && name != "pgbackrest" ? sprintf("%.2f", mine / theirs) : "" }
    /^#/ { next }
    {
      key = $2 FS $3
      if (!(key in wall)) { order[++keys] = key; }
      wall[key] = wall[key] " " $5; cpu[key] = cpu[key] " " ($6 + $7); server[key] = server[key] " " $7
      memory[key] = memory[key] " " $8; stored[key] = stored[key] " " $9
      count[key]++
    }
    END {
      print "\n| job | tool | n | wall s | ratio | CPU s (server) | ratio | memory MiB | stored MiB | ratio |"
      print "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
      for (k = 1; k <= keys; k++) {
        split(order[k], part, FS)
        base = part[1] FS "pgbackrest"
        with = base in wall ? part[1] : ""
        w = median(wall[order[k]]); c = median(cpu[order[k]]); s = median(stored[order[k]])
        printf "| %s | %s | %d | %.2f | %s | %.2f (%.2f) | %s | %d | %.1f | %s |\n", part[1], part[2], count[order[k]], w / 1000, ratio(with, part[2], w, median(wall[base])),
          c / 1000, median(server[order[k]]) / 1000, ratio(with, part[2], c, median(cpu[base])), median(memory[order[k]]), s / 1048576, ratio(with, part[2], s, median(stored[base]))
      }
    }' "$1"
}

# What incremental backups hold, against what the log says was changed. Fails where it is more than it should be.
print_incremental() {
  awk -F '\t' '
    function field(name) { return match($11, name "=[0-9]+") ? substr($11, RSTART + length(name) + 1, RLENGTH - length(name) - 1) + 0 : 0 }
    $2 ~ /^incremental/ && $3 == "thorbis" { n++; job[n] = $2; round[n] = $1; blocks[n] = field("blocks"); changed[n] = field("changed"); stored[n] = $9 }
    $2 ~ /^incremental/ && $3 == "pgbackrest" { theirs[$2 FS $1] = $9 }
    END {
      if (!n) exit
      print "\n| job | round | changed blocks, MiB | stored before compression, MiB | ratio (at most 1.15) | stored MiB | pgBackRest MiB | ratio (below 0.5) |"
      print "|---|---:|---:|---:|---:|---:|---:|---:|"
      for (i = 1; i <= n; i++) {
        other = theirs[job[i] FS round[i]]
        plain = changed[i] / (blocks[i] * 8192)
        printf "| %s | %d | %.1f | %.1f | %.3f | %.1f | %.1f | %s |\n", job[i], round[i], blocks[i] / 128, changed[i] / 1048576, plain, stored[i] / 1048576, other / 1048576,
          other ? sprintf("%.2f", stored[i] / other) : ""
        if (plain > 1.15 || (other && stored[i] >= other / 2)) missed = 1
      }
      exit missed
    }' "$1"
}

# What a delay of the store leaves of the rates. Fails where it is less than it should be.
print_latency() {
  awk -F '\t' '
    function median(list, n, parts, i, j, t) {
      n = split(list, parts, " ")
      for (i = 2; i <= n; i++) for (j = i; j > 1 && parts[j - 1] + 0 > parts[j] + 0; j--) { t = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = t }
      return n % 2 ? parts[(n + 1) / 2] : (parts[n / 2] + parts[n / 2 + 1]) / 2
    }
    $3 == "thorbis-near" { near[$2] = near[$2] " " $5 }
    $3 == "thorbis-far" { if (!($2 in far)) order[++n] = $2; far[$2] = far[$2] " " $5; extra[$2] = $11 }
    END {
      if (!n) exit
      print "\n| job | near, s | far, s | what is left of the rate | segments/s far | goal | requests of the last run |"
      print "|---|---:|---:|---:|---:|---|---|"
      for (i = 1; i <= n; i++) {
        job = order[i]
        far_ms = median(far[job])
        left = job in near ? median(near[job]) / far_ms : ""
        log_of = job ~ /^wal-/
        rate = 125000 / far_ms
        printf "| %s | %s | %.2f | %s | %s | %s | %s |\n", job, job in near ? sprintf("%.2f", median(near[job]) / 1000) : "", far_ms / 1000,
          left == "" ? "" : sprintf("%.2f", left), log_of ? sprintf("%.1f", rate) : "", log_of ? "20 segments/s" : "0.80", extra[job]
        if (log_of ? rate < 20 : left != "" && left < 0.8) missed = 1
      }
      exit missed
    }' "$1"
}
