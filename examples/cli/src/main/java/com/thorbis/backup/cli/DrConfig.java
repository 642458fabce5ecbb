package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.monitor.AlarmKind;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * What the file says of recovery from disasters.
 *
 * @param plan the file of the plan
 * @param folder the half of journals that lies on this machine
 * @param store the other half, elsewhere
 * @param person who works at this machine, as the plan names them
 * @param keys the files of the keys that people sign with, by person
 * @param servers what steps talk to, by name, each with its settings
 * @param failovers what sources have to fail over with, by source
 * @param detectors what tells whether something else is down, by the name that plans give
 * @param switches what moves clients, by the name that plans give
 * @param triggers what may start a recovery
 */
record DrConfig(
    Optional<Path> plan,
    Path folder,
    Optional<Place> store,
    Optional<String> person,
    Map<String, Path> keys,
    Map<String, Map<String, Object>> servers,
    Map<String, Pair> failovers,
    Map<String, List<Look>> detectors,
    Map<String, Moves> switches,
    List<Begins> triggers) {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  /** A store and its settings. */
  record Place(URI uri, Map<String, Object> settings) {}

  /** What moves clients. */
  record Moves(String type, Map<String, Object> settings) {}

  /**
   * One way to see whether something is down.
   *
   * @param kind {@code port}, {@code query}, {@code standby}, {@code process}, {@code http}, {@code
   *     command} or {@code alarm}
   * @param from where it looks from
   * @param alarm the alarm that means so
   */
  record Look(
      String kind,
      String id,
      String from,
      Optional<URI> url,
      int up,
      int down,
      List<String> command,
      Duration patience,
      Optional<Sought> alarm) {}

  /** An alarm of this kind, about this. */
  record Sought(AlarmKind kind, String about) {
    /** All alarms of a host are seen from one place: what is stored. */
    static final String PLACE = "stored";

    @Override
    public String toString() {
      return kind.code() + " of " + about;
    }
  }

  /**
   * What starts a recovery, or is told to people.
   *
   * @param source whose detector of {@code dr.failover} sees it
   * @param detector else one of {@code dr.detectors}
   * @param begins whether it begins, rather than only saying what can be typed
   * @param every how often it is looked
   * @param held for how long it must be seen
   * @param coolDown how long after a run of the scenario none begins
   */
  record Begins(
      String scenario,
      String trigger,
      Optional<String> source,
      Optional<String> detector,
      boolean begins,
      Duration every,
      Duration held,
      Duration coolDown) {
    String mode() {
      return begins ? BEGIN : ANNOUNCE;
    }

    @Override
    public String toString() {
      return scenario + "/" + trigger;
    }
  }

  /** Areas of alarms that tell of looking, telling and recovering, and of nothing to recover. */
  private static final Set<String> NO_SIGNALS =
      Set.of("monitor", "notify", "heartbeat", "recovery");

  /** Areas of alarms that are about a source. */
  private static final Set<String> OF_SOURCES = Set.of("backup", "wal", "source", "drill");

  private static final String ALARM = "alarm";
  static final String PATRONI = "patroni";
  private static final String COMMAND = "command";
  private static final String BEGIN = "begin";
  private static final String ANNOUNCE = "announce";

  /** Programs that take a server away. */
  record Programs(List<String> command, List<String> check, List<String> lift, Duration patience) {}

  /**
   * What is in charge of who is the primary.
   *
   * @param type {@code patroni} or {@code command}
   * @param members of Patroni, their addresses
   * @param login of Patroni: {@code user} and {@code password}
   * @param programs of commands, by what they do
   */
  record Manager(
      String type,
      List<URI> members,
      Map<String, Object> login,
      Map<String, List<String>> programs,
      Duration patience) {}

  /** Two servers, by name, and what is needed to exchange them. */
  record Pair(
      String primary,
      String standby,
      List<Look> detect,
      Optional<Programs> fence,
      Optional<Programs> standbyFence,
      OptionalLong system,
      Optional<Manager> manager,
      Duration patience) {}

  static DrConfig read(Section root, Path folderOfFile, Path stateDirectory) {
    Optional<Path> plan = Optional.empty();
    Path folder = stateDirectory.resolve("recovery");
    Optional<Place> store = Optional.empty();
    Optional<String> person = Optional.empty();
    Map<String, Path> keys = new LinkedHashMap<>();
    Map<String, Map<String, Object>> servers = new LinkedHashMap<>();
    Map<String, Pair> failovers = new LinkedHashMap<>();
    Map<String, List<Look>> detectors = new LinkedHashMap<>();
    Map<String, Moves> switches = new LinkedHashMap<>();
    List<Begins> triggers = new ArrayList<>();
    Optional<Section> dr = root.section("dr");
    if (dr.isPresent()) {
      Set<String> sources = root.section("sources").map(Section::keys).orElse(Set.of());
      plan = dr.get().find("plan").map(folderOfFile::resolve);
      Optional<Section> journal = dr.get().section("journal");
      if (journal.isPresent()) {
        folder = journal.get().find("folder").map(folderOfFile::resolve).orElse(folder);
        store = journal.get().section("store").map(DrConfig::place);
        journal.get().finish();
      }
      person = dr.get().find("person");
      Optional<Section> signers = dr.get().section("keys");
      signers.ifPresent(
          section ->
              section
                  .keys()
                  .forEach(name -> keys.put(name, folderOfFile.resolve(section.require(name)))));
      Optional<Section> named = dr.get().section("servers");
      named.ifPresent(
          section ->
              section
                  .keys()
                  .forEach(name -> servers.put(name, section.section(name).orElseThrow().rest())));
      each(
          dr.get(),
          "failover",
          (name, section) -> failovers.put(name, pair(section, servers, sources)));
      dr.get()
          .section("detectors")
          .ifPresent(
              all -> all.keys().forEach(name -> detectors.put(name, looks(all, name, sources))));
      each(
          dr.get(),
          "switches",
          (name, section) ->
              switches.put(name, new Moves(section.require("type"), section.rest())));
      dr.get().sections("triggers").forEach(one -> triggers.add(trigger(one)));
      dr.get().finish();
    }
    return new DrConfig(
        plan,
        folder,
        store,
        person,
        Map.copyOf(keys),
        servers,
        failovers,
        detectors,
        switches,
        triggers);
  }

  private static Begins trigger(Section section) {
    Optional<String> source = section.find("source");
    Optional<String> detector = section.find("detector");
    if (source.isPresent() == detector.isPresent()) {
      throw section.wrong(
          "source",
          "and detector say what sees it in two ways, or neither does",
          "Name a source of dr.failover or one of dr.detectors.");
    }
    Begins begins =
        new Begins(
            section.require("scenario"),
            section.require("trigger"),
            source,
            detector,
            section.choice("mode", ANNOUNCE, List.of(ANNOUNCE, BEGIN)).equals(BEGIN),
            section.duration("every").orElse(Duration.ofSeconds(15)),
            section.duration("held").orElse(Duration.ofMinutes(1)),
            section.duration("cool-down").orElse(Duration.ofHours(6)));
    if (begins.every().compareTo(Duration.ofSeconds(1)) < 0) {
      throw section.wrong("every", "is below 1 s", "Write a longer one, such as 15s.");
    }
    section.finish();
    return begins;
  }

  private static void each(Section dr, String key, BiConsumer<String, Section> read) {
    dr.section(key)
        .ifPresent(
            all -> all.keys().forEach(name -> read.accept(name, all.section(name).orElseThrow())));
  }

  private static Pair pair(
      Section section, Map<String, Map<String, Object>> servers, Set<String> sources) {
    for (String key : List.of("primary", "standby")) {
      if (!servers.containsKey(section.require(key))) {
        throw section.wrong(
            key, "there is no server \"" + section.require(key) + "\"", "Add it below dr.servers.");
      }
    }
    OptionalLong system = OptionalLong.empty();
    if (section.has("system")) {
      try {
        system = OptionalLong.of(Long.parseUnsignedLong(section.require("system")));
      } catch (NumberFormatException e) {
        throw section.wrong(
            "system", "is no identifier", "Write what pg_controldata prints, in quotes.");
      }
    }
    Pair pair =
        new Pair(
            section.require("primary"),
            section.require("standby"),
            looks(section, "detect", sources),
            section.section("fence").map(DrConfig::programs),
            section.section("standby-fence").map(DrConfig::programs),
            system,
            section.section("manager").map(DrConfig::manager),
            section.duration("patience").orElse(Duration.ofSeconds(20)));
    section.finish();
    return pair;
  }

  private static Manager manager(Section section) {
    String type = section.choice("type", "", List.of(PATRONI, COMMAND));
    List<URI> members = new ArrayList<>();
    Map<String, List<String>> programs = new LinkedHashMap<>();
    if (type.equals(PATRONI)) {
      for (String member : words(section, "members")) {
        try {
          members.add(URI.create(member));
        } catch (IllegalArgumentException e) {
          throw section.wrong(
              "members", "\"" + member + "\" is no address", "Write https://HOST:PORT.");
        }
      }
    } else {
      for (String what : List.of("status", "switchover", "failover")) {
        boolean needed = what.equals("status") || what.equals("failover");
        programs.put(what, needed || section.has(what) ? words(section, what) : List.of());
      }
    }
    Manager manager =
        new Manager(
            type,
            members,
            section.section("login").map(Section::rest).orElse(Map.of()),
            programs,
            section.duration("patience").orElse(Duration.ofSeconds(90)));
    section.finish();
    return manager;
  }

  private static Programs programs(Section section) {
    Programs programs =
        new Programs(
            words(section, "command"),
            words(section, "check"),
            section.has("lift") ? words(section, "lift") : List.of(),
            section.duration("patience").orElse(Duration.ofMinutes(1)));
    section.finish();
    return programs;
  }

  private static List<String> words(Section section, String key) {
    List<String> words = section.isList(key) ? section.texts(key) : List.of(section.require(key));
    if (words.isEmpty()) {
      throw section.wrong(key, "names no program", "Write a list of words.");
    }
    return words;
  }

  private static List<Look> looks(Section all, String key, Set<String> sources) {
    List<Look> looks = new ArrayList<>();
    for (Section section : all.sections(key)) {
      String kind =
          section.choice(
              "kind", "", List.of("port", "query", "standby", "process", "http", "command", ALARM));
      Optional<Sought> alarm =
          kind.equals(ALARM) ? Optional.of(sought(section, sources)) : Optional.empty();
      looks.add(
          new Look(
              kind,
              section.find("id").orElse(kind),
              // A standby is a place of its own, unless it is said that it is this host.
              alarm.isPresent()
                  ? Sought.PLACE
                  : section.find("from").orElse(kind.equals("standby") ? "" : "here"),
              kind.equals("http") ? Optional.of(section.uri("url")) : Optional.empty(),
              section.integer("up", 200, 100, 599),
              section.integer("down", 503, 100, 599),
              kind.equals("command") ? words(section, "command") : List.of(),
              section.duration("patience").orElse(PATIENCE),
              alarm));
      section.finish();
    }
    return looks;
  }

  private static Sought sought(Section section, Set<String> sources) {
    List<String> codes =
        Arrays.stream(AlarmKind.values())
            .map(AlarmKind::code)
            .filter(code -> !NO_SIGNALS.contains(area(code)))
            .toList();
    String code = section.choice("alarm", "", codes);
    // Of what there is not, no alarm is ever told, and that is taken for all being well.
    String about =
        OF_SOURCES.contains(area(code))
            ? section.choice("about", "", List.copyOf(sources))
            : section.require("about");
    return new Sought(AlarmKind.ofCode(code).orElseThrow(), about);
  }

  private static String area(String code) {
    return code.substring(0, code.indexOf('.'));
  }

  private static Place place(Section section) {
    URI uri = section.uri("uri");
    Map<String, Object> settings =
        section.section(uri.getScheme()).map(Section::rest).orElse(Map.of());
    section.finish();
    return new Place(uri, settings);
  }

  /** The store, which a run cannot do without. */
  Place requireStore(Path config) {
    return store.orElseThrow(
        () ->
            BackupException.of(
                    "configuration.invalid",
                    FailureKind.CONFIGURATION,
                    config + " names no second place for journals")
                .remedy(
                    "Set dr.journal.store.uri to a place that does not go down with what is"
                        + " protected, such as a bucket of another account.")
                .build());
  }
}
