package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One line of a journal.
 *
 * @param run whose journal it is
 * @param sequence from 1
 * @param previous the digest of the record before; zeros in the first
 * @param at by the clock of whoever wrote it, in milliseconds
 * @param fence the number of the ownership under which it was written; grows with each take-over
 * @param actor who did it: a process or a person
 * @param kind what happened, such as {@code task.started}
 * @param data the rest of it; references, never secrets
 * @param digest SHA-256 over all of that, in hexadecimal
 */
public record JournalRecord(
    String run,
    long sequence,
    String previous,
    Instant at,
    long fence,
    String actor,
    String kind,
    Map<String, Object> data,
    String digest) {
  /** What the first record says came before it. */
  static final String NOTHING = "0".repeat(64);

  static final int MOST_BYTES = 4 << 20;

  private static final String FORMAT = "thorbis-run";
  private static final long VERSION = 2;

  /** How a record of version 1 began, whose fields stood in another order. */
  private static final String FIRST_VERSION = "{\"format\":\"" + FORMAT + "\",\"version\":1,";

  /** Copies the map. */
  public JournalRecord {
    data = Collections.unmodifiableMap(new LinkedHashMap<>(data));
  }

  static JournalRecord of(
      String run,
      long sequence,
      String previous,
      Instant at,
      long fence,
      String actor,
      String kind,
      Map<String, Object> data) {
    Instant millis = Instant.ofEpochMilli(at.toEpochMilli());
    try {
      // What whoever reads it later sees is what is gone by now.
      Map<String, Object> seen = Json.read(Json.write(data));
      JournalRecord open =
          new JournalRecord(run, sequence, previous, millis, fence, actor, kind, seen, "");
      return new JournalRecord(
          run,
          sequence,
          previous,
          millis,
          fence,
          actor,
          kind,
          seen,
          Sha256.hex(Json.write(open.body())));
    } catch (Json.Malformed e) {
      throw new IllegalStateException("What was written cannot be read", e);
    }
  }

  /** The line, with its end. */
  byte[] encode() {
    Map<String, Object> line = body();
    line.put("digest", digest);
    return (Json.write(line) + "\n").getBytes(StandardCharsets.UTF_8);
  }

  /** What the digest is over. */
  private Map<String, Object> body() {
    return Json.object(
        "format", FORMAT,
        "version", VERSION,
        "run", run,
        "sequence", sequence,
        "previous", previous,
        "at", at,
        "fence", fence,
        "actor", actor,
        "kind", kind,
        "data", data);
  }

  /**
   * Reads a line without its end.
   *
   * @param place where it lies, for messages
   * @throws BackupException code {@code journal.version} or {@code journal.damaged}
   */
  static JournalRecord read(byte[] line, String place) {
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(line)).toString();
      if (text.startsWith(FIRST_VERSION)) {
        throw version(place, 1);
      }
      Map<String, Object> fields = Json.read(text);
      if (!FORMAT.equals(fields.get("format"))
          || !(fields.get("version") instanceof Long version)) {
        throw damaged(place, "is no record of a run");
      }
      if (version != VERSION) {
        throw version(place, version);
      }
      Fields read = new Fields(fields);
      JournalRecord record =
          new JournalRecord(
              read.text("run"),
              read.number("sequence"),
              read.text("previous"),
              Instant.parse(read.text("at")),
              read.number("fence"),
              read.text("actor"),
              read.text("kind"),
              read.object("data"),
              read.text("digest"));
      if (!Sha256.hex(Json.write(record.body())).equals(record.digest)) {
        throw damaged(place, "is not what was written: its digest is another");
      }
      byte[] again = record.encode();
      if (again.length != line.length + 1
          || !ByteBuffer.wrap(again, 0, line.length).equals(ByteBuffer.wrap(line))) {
        throw damaged(place, "has fields that this build does not know");
      }
      return record;
    } catch (CharacterCodingException e) {
      throw damaged(place, "is no text");
    } catch (Json.Malformed e) {
      throw damaged(place, String.valueOf(e.getMessage()));
    } catch (ClassCastException | IllegalArgumentException | DateTimeException e) {
      throw damaged(place, "has fields of another form");
    }
  }

  private static BackupException version(String place, long version) {
    return BackupException.of(
            "journal.version",
            FailureKind.CONFIGURATION,
            place + " is of version " + version + ", and this build reads " + VERSION)
        .remedy("Use the build that wrote it, or a later one.")
        .detail("place", place)
        .build();
  }

  static BackupException damaged(String place, String problem) {
    return BackupException.of(
            "journal.damaged", FailureKind.DAMAGED, "Journal record " + place + " " + problem)
        .remedy(
            "Keep it for whoever looks into it, move this half of the journal aside, and go on with"
                + " the other half.")
        .detail("place", place)
        .build();
  }
}
