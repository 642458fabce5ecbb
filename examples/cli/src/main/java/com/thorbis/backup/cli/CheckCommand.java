package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "check",
    description =
        "Look at every precondition, privilege and setting. Tries each store with small objects, and"
            + " changes nothing else.")
final class CheckCommand extends Job {
  private static final Map<String, String> SCHEMES =
      Map.of("s3", "s3", "gcs", "gs", "azure", "azblob");
  private static final Duration MOST_SKEW = Duration.ofMinutes(5);

  @Parameters(arity = "0..1", paramLabel = "SOURCE", description = "One source; else all.")
  @Nullable String source;

  @Option(
      names = "--grants",
      description = "Print the statements that give the role what it needs, and nothing more.")
  boolean grants;

  @Option(
      names = "--policy",
      paramLabel = "SERVICE",
      description = {
        "Print what each role is to be given in the language of s3, gcs or azure, for the copies that"
            + " are kept there."
      })
  @Nullable String policy;

  @Override
  public Integer call() {
    if (policy != null) {
      return policies(policy);
    }
    return grants ? grants() : thorbis().looking(this::check);
  }

  private int policies(String service) {
    String scheme = SCHEMES.get(service);
    if (scheme == null) {
      throw BackupException.of(
              "usage.policy",
              FailureKind.CONFIGURATION,
              "--policy " + service + ": there is no such service")
          .remedy("Write s3, gcs or azure.")
          .build();
    }
    ObjectStoreFactory factory =
        Providers.load(
                ObjectStoreFactory.class,
                "store",
                ObjectStoreFactory::scheme,
                ProviderLoader.serviceLoader(CheckCommand.class.getClassLoader()))
            .require(scheme);
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    for (Config.Copy copy : thorbis().config().copies()) {
      if (scheme.equals(copy.uri().getScheme())) {
        for (StoreRole role : StoreRole.values()) {
          items.add(
              Json.object(
                  "copy", copy.uri(), "role", role.label(), "policy", text(factory, copy, role)));
        }
      }
    }
    if (items.isEmpty()) {
      throw BackupException.of(
              "check.no-such-copy", FailureKind.NOT_FOUND, "No copy is kept in " + scheme + "://")
          .remedy("Add one to repository.copies; nothing of it need exist yet.")
          .build();
    }
    thorbis()
        .print(
            Json.object("items", items),
            out ->
                items.forEach(
                    item -> {
                      out.println("# " + item.get("role") + " of " + item.get("copy"));
                      out.println(item.get("policy"));
                    }));
    return Exit.DONE;
  }

  private static String text(ObjectStoreFactory factory, Config.Copy copy, StoreRole role) {
    try {
      return factory
          .policy(copy.uri(), role)
          .orElseThrow(
              () ->
                  BackupException.of(
                          "check.no-policy",
                          FailureKind.CONFIGURATION,
                          "No policy is known for " + copy.uri())
                      .remedy("See what each role may do in the documentation of StoreRole.")
                      .build());
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private int grants() {
    Map<String, String> scripts = new LinkedHashMap<>();
    thorbis()
        .reading(
            backup -> {
              chosen(backup)
                  .forEach(name -> scripts.put(name, backup.grants(name) + sentinel(name)));
              return true;
            });
    thorbis()
        .print(
            Json.object(
                "items",
                scripts.entrySet().stream()
                    .map(each -> Json.object("source", each.getKey(), "grants", each.getValue()))
                    .toList()),
            out -> scripts.values().forEach(script -> out.println(script.stripTrailing())));
    return Exit.DONE;
  }

  /** What lets drills write the rows that they look for. */
  private String sentinel(String source) {
    Config.SourceConfig configured = thorbis().config().sources().get(source);
    if (configured == null) {
      return "";
    }
    return configured
        .drill()
        .flatMap(DrillSettings::sentinel)
        .map(
            table ->
                "-- For drills, in database "
                    + table.database()
                    + ":\n"
                    + table.grants(
                        String.valueOf(configured.settings().getOrDefault("user", "postgres"))))
        .orElse("");
  }

  private int check(ThorbisBackup backup) {
    List<Found> found = new ArrayList<>();
    for (Config.Note note : thorbis().config().notes()) {
      found.add(
          new Found(
              null, new CheckItem(note.subject(), Outcome.WARN, note.message(), note.remedy())));
    }
    boolean open = repository(backup, found);
    if (open) {
      add("repository.copy", backup::checkCopies, found);
      add("repository.store", backup::probeCopies, found);
      add("repository.key", backup::checkKeys, found);
      add("repository.writers", backup::checkWriters, found);
    }
    for (String name : chosen(backup)) {
      if (open) {
        source(backup, name, found);
      }
    }
    thorbis()
        .print(
            Json.object("items", found.stream().map(Found::json).toList()),
            out -> people(found, out));
    boolean failed = found.stream().anyMatch(each -> each.item().outcome() == Outcome.FAIL);
    return failed ? Exit.FAILED : Exit.DONE;
  }

  private static boolean repository(ThorbisBackup backup, List<Found> found) {
    try {
      String id = backup.repository().id();
      found.add(
          new Found(null, new CheckItem("repository.open", Outcome.OK, "opens, id " + id, "")));
      found.add(new Found(null, clock(backup)));
      return true;
    } catch (IOException | BackupException e) {
      Failure failure = Failure.of(e);
      found.add(
          new Found(
              null,
              new CheckItem("repository.open", Outcome.FAIL, failure.message(), failure.remedy())));
      return false;
    }
  }

  private static CheckItem clock(ThorbisBackup backup) {
    Duration skew;
    try {
      skew = backup.repository().clockSkew();
    } catch (IOException e) {
      return new CheckItem(
          "repository.clock",
          Outcome.WARN,
          "the store cannot be asked the time: " + Failure.of(e).message(),
          "Whoever takes backups and prunes must be able to write there.");
    }
    boolean apart = skew.abs().compareTo(MOST_SKEW) > 0;
    return new CheckItem(
        "repository.clock",
        apart ? Outcome.WARN : Outcome.OK,
        apart
            ? "this machine's clock and the store's are "
                + Text.span(skew.abs().toMillis())
                + " apart: prune refuses to run"
            : "agrees with the store's",
        apart ? "Set the clocks right: at most 5 minutes apart." : "");
  }

  private static void add(String subject, Supplier<List<CheckItem>> looked, List<Found> found) {
    try {
      looked.get().forEach(item -> found.add(new Found(null, item)));
    } catch (BackupException e) {
      found.add(
          new Found(
              null,
              new CheckItem(subject, Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy())));
    }
  }

  private static void source(ThorbisBackup backup, String name, List<Found> found) {
    try {
      backup.check(name).forEach(item -> found.add(new Found(name, item)));
    } catch (BackupException e) {
      found.add(
          new Found(
              name,
              new CheckItem(
                  "source.check", Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy())));
    }
  }

  private List<String> chosen(ThorbisBackup backup) {
    return source == null ? backup.sources() : List.of(source);
  }

  private static void people(List<Found> found, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    for (Found each : found) {
      rows.add(
          List.of(
              each.item().outcome().label(),
              each.source() == null ? "-" : each.source(),
              each.item().subject(),
              each.item().message()));
      if (!each.item().remedy().isEmpty() && each.item().outcome() != Outcome.OK) {
        rows.add(List.of("", "", "", "-> " + each.item().remedy()));
      }
    }
    Text.table(rows).forEach(out::println);
  }

  private record Found(@Nullable String source, CheckItem item) {
    Map<String, @Nullable Object> json() {
      return Json.object(
          "source", source,
          "subject", item.subject(),
          "outcome", item.outcome().label(),
          "message", item.message(),
          "remedy", item.remedy().isEmpty() ? null : item.remedy());
    }
  }
}
