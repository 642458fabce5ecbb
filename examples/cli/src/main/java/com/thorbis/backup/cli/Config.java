package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.files.FilesEngine;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.dr.point.RecoveryPointEngine;
import com.thorbis.backup.dr.simulate.Masking;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.StorageTier;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What {@code thorbis.yaml} says, checked as far as it can be without contacting anybody.
 *
 * @param file where it was read
 * @param stateDirectory for local state that may be lost
 * @param copies where the repository lies; the first decides who writes
 * @param writePolicy when an object counts as written
 * @param compression how new pieces are compressed
 * @param recipients who can open it
 * @param acceptSingleKeyRisk whether one way to open it is enough
 * @param signingKey the file of the key that this host signs with
 * @param administrators public keys of those who must have said first who writes; empty: anybody
 * @param sealed the file that keys sealed-writer made, on a host that only writes; empty: it opens
 *     the repository
 * @param sources what is protected, by name
 * @param timetable when what is due
 * @param grace how long what was given up stays whole
 * @param dr how to recover from disasters
 * @param watching who looks, and who is told
 * @param excluded what is not protected, and why that is right
 * @param notes what is accepted and needs to be known
 */
record Config(
    Path file,
    Path stateDirectory,
    List<Copy> copies,
    WritePolicy writePolicy,
    Compression compression,
    List<Recipient> recipients,
    boolean acceptSingleKeyRisk,
    Optional<Path> signingKey,
    List<String> administrators,
    Optional<Path> sealed,
    Map<String, SourceConfig> sources,
    Timetable timetable,
    Duration grace,
    DrConfig dr,
    Watching watching,
    Map<String, String> excluded,
    List<Note> notes) {
  /** The scheme of recovery keys. */
  static final String RECOVERY = "recovery";

  private static final String POSTGRES = "postgres";
  private static final String MAX_DELAY = "wal.max-delay";
  private static final int MAX_FILE = 1 << 20;
  private static final List<String> TIERS =
      Arrays.stream(StorageTier.values()).map(StorageTier::label).toList();
  private static final List<String> POLICY =
      List.of(
          "hourly",
          "daily",
          "weekly",
          "monthly",
          "yearly",
          "zone",
          "overlap",
          "representative",
          "pitr",
          "minimum",
          "most-deleted-percent",
          "fresh-within");
  private static final Pattern URL =
      Pattern.compile("jdbc:postgresql:(?://[^/?]*/?)?([^?]*)(?:\\?(.*))?");
  private static final Pattern SOURCE = Pattern.compile("[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?");

  /**
   * One place of the repository.
   *
   * @param settings hold what is said of it, too
   * @param retention what it keeps of what the repository keeps; empty: all
   */
  record Copy(URI uri, Map<String, Object> settings, Optional<RetentionPolicy> retention) {}

  /**
   * One that can open the repository.
   *
   * @param scheme its type
   * @param uri empty for a recovery key that {@code init} makes
   * @param settings its own
   */
  record Recipient(String scheme, Optional<URI> uri, Map<String, Object> settings) {}

  /**
   * One thing to protect.
   *
   * @param type its engine
   * @param parallelism how many threads may work for it, if given
   * @param retention which of its backups stay; empty: all
   * @param drill how it is tried, if that is said
   * @param masking how personal data is masked where others may get at what is restored
   * @param objectives what is promised of it
   * @param settings its engine's
   */
  record SourceConfig(
      String type,
      OptionalInt parallelism,
      Optional<RetentionPolicy> retention,
      Optional<DrillSettings> drill,
      List<Masking> masking,
      Objectives objectives,
      Map<String, Object> settings) {}

  /** Something to know; shown by {@code check}, and at once if {@code urgent}. */
  record Note(String subject, String message, String remedy, boolean urgent) {}

  /**
   * Reads a file.
   *
   * @param lenient whether providers do without values that are not there: on a blank machine a
   *     recovery key is enough to restore
   */
  static Config load(Path file, Host host, boolean lenient) {
    String text = read(file);
    Path folder = folderOf(file);
    List<String> clear = new ArrayList<>();
    Section root =
        Section.root(
            new Section.Source(
                file.toString(), new Placeholders(host.environment(), folder), lenient, clear::add),
            Yaml.parse(file.toString(), text));
    return read(root, file, folder, host, clear);
  }

  /** Whether a recovery key without a name is among the recipients: {@code init} makes it. */
  boolean makesRecoveryKey() {
    return recipients.stream().anyMatch(recipient -> recipient.uri().isEmpty());
  }

  /** Gives a builder everything but the recipients. */
  ThorbisBackup.Builder builder() {
    ThorbisBackup.Builder builder =
        ThorbisBackup.builder()
            .stateDirectory(stateDirectory)
            .writePolicy(writePolicy)
            .compression(compression)
            .acceptSingleKeyRisk(acceptSingleKeyRisk);
    administrators.forEach(builder::administrator);
    copies.forEach(copy -> builder.copy(copy.uri(), copy.settings(), copy.retention()));
    sources.forEach((name, source) -> builder.source(name, source.type(), source.settings()));
    sources.values().stream()
        .flatMapToInt(source -> source.parallelism().stream())
        .max()
        .ifPresent(builder::parallelism);
    return builder;
  }

  private static Config read(Section root, Path file, Path folder, Host host, List<String> clear) {
    List<Note> notes = new ArrayList<>();
    Path state =
        root.find("state-directory").map(folder::resolve).orElseGet(() -> stateBelow(host.home()));
    Section repository =
        root.section("repository")
            .orElseThrow(() -> root.wrong("repository", "is missing", "Set repository.copies."));
    Map<String, RetentionPolicy> policies =
        root.section("retention").map(Config::retention).orElse(Map.of());
    List<Copy> copies = new ArrayList<>();
    for (Section copy : repository.sections("copies")) {
      copies.add(copy(copy, policies));
    }
    if (copies.isEmpty()) {
      throw repository.wrong(
          "copies", "names no place", "Add \"- uri: file:///var/lib/thorbis/repo\" below it.");
    }
    WritePolicy writePolicy =
        writePolicy(
            repository.choice(
                "write-policy",
                WritePolicy.PRIMARY.label(),
                Arrays.stream(WritePolicy.values()).map(WritePolicy::label).toList()));
    Compression compression =
        repository.section("compression").map(Config::compression).orElse(Compression.DEFAULT);

    List<Recipient> recipients = new ArrayList<>();
    boolean accepted = false;
    Optional<Section> encryption = repository.section("encryption");
    if (encryption.isPresent()) {
      for (Section recipient : encryption.get().sections("recipients")) {
        recipients.add(recipient(recipient));
      }
      accepted = encryption.get().flag("accept-single-key-risk", false);
      encryption.get().finish();
    }
    if (recipients.stream().filter(recipient -> recipient.uri().isEmpty()).count() > 1) {
      throw repository.wrong(
          "encryption.recipients", "two recovery keys have no name", "Remove one of them.");
    }
    Optional<Path> sealed = sealed(repository, folder);
    if (sealed.isPresent() && !recipients.isEmpty()) {
      throw repository.wrong(
          "encryption.recipients",
          "names who could open the repository, on a host that is to open nothing",
          "Take them out: the file that keys sealed-writer made names whom to wrap to.");
    }
    if (recipients.isEmpty() && sealed.isEmpty()) {
      throw repository.wrong(
          "encryption.recipients",
          "names nobody who could open the repository",
          "Name at least two, such as a keystore: and a recovery: recipient.");
    }
    Optional<Path> signingKey = repository.find("signing-key").map(folder::resolve);
    List<String> administrators = administrators(repository);
    repository.finish();

    Optional<Section> prune = root.section("prune");
    Duration grace = PruneRequest.GRACE;
    if (prune.isPresent()) {
      grace = prune.get().duration("grace").orElse(grace);
      prune.get().finish();
    }
    DrConfig dr = DrConfig.read(root, folder, state);
    List<Expectation> expectations = new ArrayList<>();
    Timetable timetable = Timetable.read(root);
    Map<String, SourceConfig> sources =
        sources(
            root,
            copies.stream().map(copy -> copy.uri().toString()).toList(),
            policies,
            timetable,
            commands(file, host),
            folder,
            expectations);
    Watching watching = Watching.read(root, expectations);
    Map<String, String> excluded = excluded(root);
    root.finish();
    noteClearSecrets(file, clear, notes);
    return new Config(
        file,
        state,
        List.copyOf(copies),
        writePolicy,
        compression,
        List.copyOf(recipients),
        accepted,
        signingKey,
        administrators,
        sealed,
        sources,
        timetable,
        grace,
        dr,
        watching,
        excluded,
        List.copyOf(notes));
  }

  /** The same, where the server of a PostgreSQL source is at another address. */
  Config at(String source, String address) {
    SourceConfig before = sources.get(source);
    if (before == null || !(before.settings().get("url") instanceof String url)) {
      throw new IllegalArgumentException(source + " has no url");
    }
    Matcher form = URL.matcher(url);
    if (!form.matches()) {
      throw new IllegalArgumentException("url of " + source + " is not a jdbc:postgresql: URL");
    }
    String parameters =
        Arrays.stream(Optional.ofNullable(form.group(2)).orElse("").split("&"))
            .filter(each -> !each.isEmpty() && !each.matches("(host|port)=.*"))
            .collect(Collectors.joining("&"));
    Map<String, Object> settings = new LinkedHashMap<>(before.settings());
    settings.put(
        "url",
        "jdbc:postgresql://"
            + address
            + "/"
            + form.group(1)
            + (parameters.isEmpty() ? "" : "?" + parameters));
    Map<String, SourceConfig> changed = new LinkedHashMap<>(sources);
    changed.put(
        source,
        new SourceConfig(
            before.type(),
            before.parallelism(),
            before.retention(),
            before.drill(),
            before.masking(),
            before.objectives(),
            settings));
    return new Config(
        file,
        stateDirectory,
        copies,
        writePolicy,
        compression,
        recipients,
        acceptSingleKeyRisk,
        signingKey,
        administrators,
        sealed,
        changed,
        timetable,
        grace,
        dr,
        watching,
        excluded,
        notes);
  }

  /** What a report names as not covered. */
  private static Map<String, String> excluded(Section root) {
    Map<String, String> excluded = new LinkedHashMap<>();
    Optional<Section> report = root.section("report");
    if (report.isPresent()) {
      for (Section each : report.get().sections("excluded")) {
        excluded.put(each.require("name"), each.require("why"));
        each.finish();
      }
      report.get().finish();
    }
    return excluded;
  }

  private static List<String> administrators(Section repository) {
    List<String> administrators = repository.texts("administrators");
    if (repository.has("administrators") && administrators.isEmpty()) {
      throw repository.wrong("administrators", "names nobody", "Name one, or remove it.");
    }
    for (String administrator : administrators) {
      try {
        SigningPublicKey.parse(administrator);
      } catch (IllegalArgumentException e) {
        throw repository.wrong(
            "administrators",
            String.valueOf(e.getMessage()),
            "Write the line that keys signing-key prints on an administrator's host.");
      }
    }
    return administrators;
  }

  private static Optional<Path> sealed(Section repository, Path folder) {
    boolean sealed =
        repository.choice("access", "open", List.of("open", "sealed")).equals("sealed");
    Optional<Path> grant = repository.find("sealed-writer").map(folder::resolve);
    if (sealed != grant.isPresent()) {
      throw repository.wrong(
          "sealed-writer",
          sealed ? "is missing" : "is of use to a sealed writer alone",
          sealed
              ? "Let an administrator run keys sealed-writer NAME FILE, which prints what to set."
              : "Set access: sealed, or take it out.");
    }
    if (sealed && !repository.has("administrators")) {
      throw repository.wrong(
          "administrators",
          "is missing, and says whom to believe on a sealed writer",
          "Set it to what keys sealed-writer printed.");
    }
    return grant;
  }

  private static Copy copy(Section section, Map<String, RetentionPolicy> policies) {
    URI uri = section.uri("uri");
    Map<String, Object> settings =
        new LinkedHashMap<>(section.section(uri.getScheme()).map(Section::rest).orElse(Map.of()));
    for (String fact : List.of("medium", "domain", "location")) {
      section.find(fact).ifPresent(value -> settings.put(fact, value));
    }
    if (section.has("tier")) {
      settings.put("tier", section.choice("tier", "hot", TIERS));
    }
    List<String> tiers = new ArrayList<>();
    for (Section step : section.sections("tiers")) {
      tiers.add(
          step.duration("after")
                  .orElseThrow(
                      () -> step.wrong("after", "is missing", "Write an age, such as 30d."))
              + "="
              + step.choice("tier", "", TIERS));
      step.finish();
    }
    if (!tiers.isEmpty()) {
      settings.put("tiers", String.join(",", tiers));
    }
    section.duration("lock").ifPresent(lock -> settings.put("lock", lock.toString()));
    for (String fact : List.of("offsite", "immutable")) {
      if (section.has(fact)) {
        settings.put(fact, section.flag(fact, false));
      }
    }
    Optional<RetentionPolicy> retention = policy(section, policies);
    section.finish();
    return new Copy(uri, settings, retention);
  }

  /** The policy that a section names, if it does. */
  private static Optional<RetentionPolicy> policy(
      Section section, Map<String, RetentionPolicy> policies) {
    Optional<String> retention = section.find("retention");
    Optional<RetentionPolicy> policy =
        retention.flatMap(
            named ->
                Optional.ofNullable(policies.get(named)).or(() -> RetentionPolicy.preset(named)));
    if (retention.isPresent() && policy.isEmpty()) {
      throw section.wrong(
          "retention", "there is no policy \"" + retention.get() + "\"", "Add it below retention.");
    }
    return policy;
  }

  private static WritePolicy writePolicy(String label) {
    return Arrays.stream(WritePolicy.values())
        .filter(policy -> policy.label().equals(label))
        .findFirst()
        .orElseThrow();
  }

  private static Compression compression(Section section) {
    String codec =
        section.choice("codec", Compression.DEFAULT.codec(), List.of("zstd", "lz4", "none"));
    int level = section.integer("level", Compression.DEFAULT.level(), -7, 22);
    section.finish();
    return new Compression(codec, level);
  }

  private static Recipient recipient(Section section) {
    String text = section.require("uri");
    boolean unnamed = text.equals(RECOVERY) || text.equals(RECOVERY + ":");
    Map<String, Object> settings = new LinkedHashMap<>();
    if (!unnamed) {
      URI uri = section.uri("uri");
      settings.putAll(section.rest());
      return new Recipient(uri.getScheme(), Optional.of(uri), settings);
    }
    settings.putAll(section.rest());
    // A file names the key as well as its text does.
    Optional<URI> uri =
        settings.isEmpty() ? Optional.empty() : Optional.of(URI.create(RECOVERY + ":file"));
    return new Recipient(RECOVERY, uri, settings);
  }

  private static Map<String, RetentionPolicy> retention(Section section) {
    Map<String, RetentionPolicy> policies = new LinkedHashMap<>();
    for (String name : section.keys()) {
      Section policy = section.section(name).orElseThrow();
      Map<String, String> values = new LinkedHashMap<>();
      for (String key : POLICY) {
        policy.find(key).ifPresent(value -> values.put(key, value));
      }
      policy.finish();
      policies.put(name, RetentionPolicy.parse(policy.path(), values));
    }
    return policies;
  }

  private static Map<String, SourceConfig> sources(
      Section root,
      List<String> copies,
      Map<String, RetentionPolicy> policies,
      Timetable timetable,
      Map<String, String> commands,
      Path folder,
      List<Expectation> expectations) {
    Map<String, SourceConfig> sources = new LinkedHashMap<>();
    Optional<Section> all = root.section("sources");
    if (all.isEmpty()) {
      return sources;
    }
    for (String name : all.get().keys()) {
      if (!SOURCE.matcher(name).matches()) {
        throw all.get()
            .wrong(
                name,
                "not a name for a source",
                "Take up to 63 of a-z, 0-9, \"-\" and \"_\", a letter or digit first and last.");
      }
      Section section = all.get().section(name).orElseThrow();
      String type = section.require("type");
      Optional<RetentionPolicy> policy = policy(section, policies);
      Expectation.Builder expected = Watching.expectation(name, section);
      timetable.source(name, section);
      Optional<DrillSettings> drill =
          section
              .section("drill")
              .map(
                  it -> {
                    if (it.has("schedule") && !type.equals("postgres")) {
                      throw it.wrong(
                          "schedule",
                          "drills start servers, and this source is of type " + type,
                          "Remove it.");
                    }
                    timetable.drill(name, it);
                    return DrillConfig.read(it, folder, copies);
                  });
      List<Masking> masking = MaskingConfig.read(section, folder);
      timetable.expect(name, expected);
      Objectives objectives = Objectives.read(section);
      OptionalInt parallelism = OptionalInt.empty();
      Map<String, Object> settings = new LinkedHashMap<>();
      if (section.has("parallelism")) {
        int threads = section.integer("parallelism", 1, 1, 256);
        parallelism = OptionalInt.of(threads);
        settings.put("parallelism", Integer.toString(threads));
      }
      places(section, settings);
      probes(section, settings);
      if (type.equals(FilesEngine.TYPE)) {
        lines(section, "paths", settings);
        lines(section, "exclude", settings);
      }
      if (type.equals(RecoveryPointEngine.TYPE)) {
        lines(section, "members", settings);
      }
      settings.putAll(section.rest());
      if (type.equals(POSTGRES)) {
        commands.forEach(settings::putIfAbsent);
      }
      Settings known = Settings.of("sources." + name, settings);
      if (known.find(MAX_DELAY).isPresent()) {
        expected.maxDelay(known.duration(MAX_DELAY, Duration.ZERO));
      }
      expectations.add(expected.build());
      sources.put(
          name, new SourceConfig(type, parallelism, policy, drill, masking, objectives, settings));
    }
    return sources;
  }

  /** A list, or one value, as lines; a list without entries is not the same as none. */
  private static void lines(Section source, String key, Map<String, Object> settings) {
    lines(source, key, settings, "");
  }

  private static void lines(
      Section source, String key, Map<String, Object> settings, String prefix) {
    if (!source.has(key)) {
      return;
    }
    List<String> texts = source.isList(key) ? source.texts(key) : List.of(source.require(key));
    if (texts.isEmpty()) {
      throw source.wrong(key, "names nothing", "Name at least one, or remove the key.");
    }
    settings.put(prefix + key, String.join("\n", texts));
  }

  /** The list of places of a source of secrets, each under its name. */
  private static void places(Section source, Map<String, Object> settings) {
    Map<String, Map<String, Object>> places = new LinkedHashMap<>();
    for (Section place : source.sections("places")) {
      String name = place.require("name");
      if (!SOURCE.matcher(name).matches() || places.containsKey(name)) {
        throw place.wrong(
            "name",
            "\"" + name + (places.containsKey(name) ? "\" is given twice" : "\" is no name"),
            "Take another of up to 63 of a-z, 0-9, \"-\" and \"_\".");
      }
      places.put(name, place.rest());
    }
    if (!places.isEmpty()) {
      settings.put("places", String.join(",", places.keySet()));
    }
    places.forEach(
        (name, values) ->
            values.forEach((key, value) -> settings.put("places." + name + "." + key, value)));
  }

  /** The list of probes of a source of secrets, each under its number. */
  private static void probes(Section source, Map<String, Object> settings) {
    List<Section> all = source.sections("probes");
    for (int each = 0; each < all.size(); each++) {
      Section probe = all.get(each);
      String prefix = "probes." + each + ".";
      lines(probe, "command", settings, prefix);
      probe.rest().forEach((key, value) -> settings.put(prefix + key, value));
      settings.merge("probes", Integer.toString(each), (before, more) -> before + "," + more);
    }
  }

  /** What a server that recovers runs to get its log, where nobody answers it otherwise. */
  private static Map<String, String> commands(Path file, Host host) {
    return host.launcher()
        .map(launcher -> Map.of("launcher", launcher.toString(), "config-file", file.toString()))
        .orElse(Map.of());
  }

  private static void noteClearSecrets(Path file, List<String> clear, List<Note> notes) {
    if (clear.isEmpty()) {
      return;
    }
    try {
      Set<PosixFilePermission> open = Files.getPosixFilePermissions(file);
      if (!open.contains(PosixFilePermission.OTHERS_READ)
          && !open.contains(PosixFilePermission.GROUP_READ)) {
        return;
      }
    } catch (IOException | UnsupportedOperationException e) {
      // Who can read it cannot be told: that is worth the warning too.
    }
    notes.add(
        new Note(
            "config.secrets",
            file + " holds " + String.join(", ", clear) + " in clear, and others can read it",
            "Run chmod 600 " + file + ", or write ${file:PATH} there.",
            true));
  }

  private static Path stateBelow(String home) {
    Path folder = Path.of(home);
    if (!folder.isAbsolute() || !Files.isDirectory(folder)) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "state-directory: this account has no home (\"" + home + "\") to put it in")
          .remedy("Set state-directory to a folder that this account can write to.")
          .build();
    }
    return folder.resolve(".local").resolve("state").resolve("thorbis");
  }

  private static Path folderOf(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    return parent == null ? file.toAbsolutePath() : parent;
  }

  /** The text of a file, with what may be wrong about it. */
  static String read(Path file) {
    byte[] content;
    try (InputStream in = Files.newInputStream(file)) {
      content = in.readNBytes(MAX_FILE + 1);
    } catch (NoSuchFileException e) {
      throw unreadable(file, "there is no such file", e);
    } catch (IOException e) {
      throw unreadable(file, "cannot be read: " + e, e);
    }
    if (content.length > MAX_FILE) {
      throw unreadable(file, "longer than " + MAX_FILE + " bytes", null);
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString();
    } catch (CharacterCodingException e) {
      throw unreadable(file, "not text in UTF-8", e);
    }
  }

  private static BackupException unreadable(Path file, String problem, @Nullable Throwable cause) {
    return BackupException.of(
            "configuration.unreadable",
            FailureKind.CONFIGURATION,
            "configuration " + file + ": " + problem)
        .remedy("Name another with -c FILE or $THORBIS_CONFIG.")
        .detail("file", file.toString())
        .cause(cause)
        .build();
  }
}
