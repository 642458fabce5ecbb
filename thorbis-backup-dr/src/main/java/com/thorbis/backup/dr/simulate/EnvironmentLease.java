package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What is written down of an environment before any of it is made, so that whoever comes later can
 * remove all of it.
 *
 * @param name the environment's
 * @param id of this one of that name
 * @param owner who made it, for people
 * @param since when
 * @param until when it ends, whatever happened
 * @param folder all that it consists of
 * @param faults what was broken in it on purpose
 */
record EnvironmentLease(
    String name,
    String id,
    String owner,
    Instant since,
    Instant until,
    Path folder,
    List<Fault> faults) {
  private static final String FORMAT = "thorbis-environment/1";
  private static final Set<String> MEMBERS =
      Set.of("format", "name", "id", "owner", "since", "until", "folder", "faults");

  EnvironmentLease {
    faults = List.copyOf(faults);
  }

  /**
   * Something that is broken on purpose.
   *
   * @param disaster which kind
   * @param at since when
   * @param until when it is undone, whatever happened
   * @param undo what undoing it takes, known before it was broken
   * @param undone whether it was
   */
  record Fault(
      String disaster, Instant at, Instant until, Map<String, String> undo, boolean undone) {
    private static final Set<String> MEMBERS = Set.of("disaster", "at", "until", "undo", "undone");

    Fault {
      undo = Map.copyOf(undo);
    }

    private Map<String, Object> json() {
      return Map.of(
          "disaster", disaster,
          "at", at.truncatedTo(ChronoUnit.MILLIS).toString(),
          "until", until.truncatedTo(ChronoUnit.MILLIS).toString(),
          "undo", undo,
          "undone", undone);
    }
  }

  /** With a fault more, or with what became of one that it has. */
  EnvironmentLease with(Fault fault) {
    List<Fault> all = new ArrayList<>(faults);
    all.removeIf(it -> it.disaster().equals(fault.disaster()) && it.at().equals(fault.at()));
    all.add(fault);
    return new EnvironmentLease(name, id, owner, since, until, folder, all);
  }

  byte[] bytes() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("name", name);
    json.put("id", id);
    json.put("owner", owner);
    json.put("since", since.truncatedTo(ChronoUnit.MILLIS).toString());
    json.put("until", until.truncatedTo(ChronoUnit.MILLIS).toString());
    json.put("folder", folder.toString());
    json.put("faults", faults.stream().map(Fault::json).toList());
    return CanonicalJson.encode(json);
  }

  /**
   * Reads one.
   *
   * @throws IllegalArgumentException if it is none, or of a form that this version does not know
   */
  static EnvironmentLease parse(byte[] bytes) {
    Members json = new Members(CanonicalJson.parse(bytes));
    if (!json.names().equals(MEMBERS) || !FORMAT.equals(json.text("format"))) {
      throw new IllegalArgumentException("Not of the form " + FORMAT);
    }
    List<Fault> faults = new ArrayList<>();
    for (Members fault : json.objects("faults")) {
      if (!fault.names().equals(Fault.MEMBERS)) {
        throw new IllegalArgumentException("Not a fault of the form " + FORMAT);
      }
      faults.add(
          new Fault(
              fault.text("disaster"),
              fault.time("at"),
              fault.time("until"),
              fault.texts("undo"),
              fault.flag("undone")));
    }
    return new EnvironmentLease(
        json.text("name"),
        json.text("id"),
        json.text("owner"),
        json.time("since"),
        json.time("until"),
        Path.of(json.text("folder")),
        faults);
  }

  /** Writes it so that it is there whole, also after a power cut. */
  void save(Path file) throws IOException {
    StateFile.write(file, bytes());
  }
}
