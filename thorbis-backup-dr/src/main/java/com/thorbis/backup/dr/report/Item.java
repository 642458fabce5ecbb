package com.thorbis.backup.dr.report;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * One thing that was expected, and what there is of it.
 *
 * @param what {@code backup}, {@code drill}, {@code exercise} or {@code alarm}
 * @param subject of what
 * @param detail which kind of it
 * @param due when
 * @param verdict what there is of it
 * @param why for people
 * @param evidence the id of the backup or record that shows it
 * @param assumed whether it is only taken to have been expected
 */
record Item(
    String what,
    String subject,
    String detail,
    Instant due,
    Judgement.Verdict verdict,
    String why,
    Optional<String> evidence,
    boolean assumed) {
  Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("what", what);
    json.put("subject", subject);
    json.put("detail", detail);
    json.put("due", due.toString());
    json.put("verdict", verdict.label());
    json.put("why", why);
    evidence.ifPresent(it -> json.put("evidence", it));
    json.put("assumed", assumed);
    return json;
  }
}
