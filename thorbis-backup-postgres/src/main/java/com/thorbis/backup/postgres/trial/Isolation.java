package com.thorbis.backup.postgres.trial;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.restore.Fence;
import com.thorbis.backup.postgres.server.StartProof;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Proves, before a server is started on restored files, that it can harm nothing: by what its own
 * program says would be in force, and not by what we have written.
 */
final class Isolation implements StartProof {
  /** What each setting must be, and what would happen otherwise. */
  private static final Map<String, Rule> RULES = new LinkedHashMap<>();

  static {
    rule("archive_mode", "off", "its log would be archived as if it were the source's");
    rule("primary_conninfo", "", "it would connect to the source to follow it");
    rule("primary_slot_name", "", "it would take a slot of the source's");
    rule("synchronous_standby_names", "", "its commits would wait for somebody");
    rule("max_logical_replication_workers", "0", "its subscriptions would fetch from others");
    rule("listen_addresses", "", "others would reach it over the network");
    rule("archive_cleanup_command", "", "it would run a command of the source's");
    rule("recovery_end_command", "", "it would run a command of the source's");
  }

  private final PostgresSettings settings;
  private final ThrowAway place;
  private final List<CheckItem> items = new ArrayList<>();

  Isolation(PostgresSettings settings, ThrowAway place) {
    this.settings = settings;
    this.place = place;
  }

  private record Rule(String value, String otherwise) {}

  private static void rule(String setting, String value, String otherwise) {
    RULES.put(setting, new Rule(value, otherwise));
  }

  /** What was proven. */
  List<CheckItem> items() {
    return List.copyOf(items);
  }

  @Override
  public void prove(Effective effective) throws IOException {
    items.clear();
    for (Map.Entry<String, Rule> each : RULES.entrySet()) {
      String value = effective.of(each.getKey());
      judge(
          each.getKey(),
          value.equals(each.getValue().value()),
          each.getKey().equals("primary_conninfo") ? "is set" : "is \"" + value + "\"",
          each.getValue().otherwise());
    }
    String sockets = effective.of("unix_socket_directories");
    judge(
        "unix_socket_directories",
        sockets.equals(place.sockets().toString()),
        "is \"" + sockets + "\"",
        "others would reach it there");
    String port = effective.of("port");
    judge(
        "port",
        !port.equals(Integer.toString(settings.address().port())),
        "is " + port,
        "it would take the source's place on this host");
    String libraries = effective.of("shared_preload_libraries");
    List<String> jobs = Fence.jobs("shared_preload_libraries = " + libraries);
    judge(
        "shared_preload_libraries",
        jobs.isEmpty(),
        "is \"" + libraries + "\"",
        "jobs of " + String.join(", ", jobs) + " would run");
    Path data = place.dataDirectory().toRealPath();
    judge(
        "data_directory",
        effective.of("data_directory").equals(data.toString())
            && !(settings.dataDirectory().isPresent()
                && same(settings.dataDirectory().get(), data)),
        "is \"" + effective.of("data_directory") + "\"",
        "it would work on files that are not its own");
    links(data);
    requireAll();
  }

  private static boolean same(Path one, Path other) throws IOException {
    try {
      return Files.isSameFile(one, other);
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** Links lead to what is thrown away with it, or nowhere. */
  private void links(Path data) throws IOException {
    Path tablespaces = data.resolve("pg_tblspc");
    List<Path> links = new ArrayList<>(List.of(data.resolve("pg_wal")));
    try (DirectoryStream<Path> found = Files.newDirectoryStream(tablespaces)) {
      found.forEach(links::add);
    }
    List<String> outside = new ArrayList<>();
    for (Path link : links) {
      if (!Files.exists(link, LinkOption.NOFOLLOW_LINKS) || !Files.isSymbolicLink(link)) {
        continue;
      }
      Path end = link.toRealPath();
      if (!end.startsWith(data.getParent())) {
        outside.add(data.relativize(link) + " -> " + end);
      }
    }
    judge(
        "tablespaces",
        outside.isEmpty(),
        outside.isEmpty() ? "lie in its own folder" : "lie outside: " + String.join(", ", outside),
        "it would write into folders that others use");
  }

  private void judge(String what, boolean holds, String found, String otherwise) {
    items.add(
        new CheckItem(
            "isolation." + what.replace('_', '-'),
            holds ? CheckItem.Outcome.OK : CheckItem.Outcome.FAIL,
            what + " " + found + (holds ? "" : ": " + otherwise),
            ""));
  }

  private void requireAll() {
    List<CheckItem> failed =
        items.stream().filter(item -> item.outcome() == CheckItem.Outcome.FAIL).toList();
    if (!failed.isEmpty()) {
      throw BackupException.of(
              "trial.not-isolated",
              FailureKind.REFUSED,
              "The restored server was not started, as it could do harm: "
                  + failed.stream().map(CheckItem::message).collect(Collectors.joining("; ")))
          .remedy("Take out what sets this, such as drill.server in the configuration.")
          .detail(
              "failed", failed.stream().map(CheckItem::subject).collect(Collectors.joining(",")))
          .build();
    }
  }
}
