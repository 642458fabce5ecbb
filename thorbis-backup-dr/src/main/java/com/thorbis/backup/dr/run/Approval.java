package com.thorbis.backup.dr.run;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Who must agree before a step has an effect.
 *
 * @param people each with the Ed25519 public key in hexadecimal that their word is checked with;
 *     empty where it is taken unsigned
 * @param need how many of them
 * @param within how long from being asked
 */
public record Approval(Map<String, String> people, int need, Duration within) {
  /** Copies the map; checks that it can be given. */
  public Approval {
    people = Map.copyOf(people);
    if (need < 1 || need > people.size() || within.isNegative() || within.isZero()) {
      throw new IllegalArgumentException(
          "An approval needs from 1 to all of its people and a time: "
              + need
              + " of "
              + people.size()
              + " within "
              + within);
    }
  }

  Map<String, Object> document() {
    return Json.object(
        "people",
        people.entrySet().stream()
            .sorted(Map.Entry.comparingByKey())
            .map(one -> Json.object("name", one.getKey(), "key", one.getValue()))
            .toList(),
        "need",
        need,
        "within",
        within);
  }

  static Approval read(Fields fields) {
    Map<String, String> people = new LinkedHashMap<>();
    List<Fields> listed = fields.nodes("people");
    for (Fields person : listed) {
      people.put(person.text("name"), person.text("key"));
      person.finish();
    }
    Approval approval =
        new Approval(people, (int) fields.number("need"), fields.duration("within"));
    fields.finish();
    return approval;
  }
}
