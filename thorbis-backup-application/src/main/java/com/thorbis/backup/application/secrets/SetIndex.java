package com.thorbis.backup.application.secrets;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What a set says of itself; sealed as one more entry, as names tell much. */
record SetIndex(
    String set,
    long sequence,
    String previous,
    Instant created,
    List<Source> sources,
    List<Entry> entries) {

  /**
   * A place that was asked.
   *
   * @param failure the code of what kept it from being listed, if something did
   */
  record Source(
      String type, String instance, String rotation, Optional<String> failure, List<Limit> limits) {
    String name() {
      return type + " " + instance;
    }
  }

  /**
   * A secret that was listed.
   *
   * @param source which of the sources
   * @param info as it was read, or listed
   * @param object the id of its sealed value, if it has one
   * @param failure the code of what kept it from being read, if something did
   */
  record Entry(int source, SecretInfo info, Optional<ObjectId> object, Optional<String> failure) {}

  String describe(Entry entry) {
    return "\"" + entry.info().name() + "\" of " + sources.get(entry.source()).name();
  }
}
