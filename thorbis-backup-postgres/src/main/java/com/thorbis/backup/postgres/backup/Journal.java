package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.Progress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is found out about a backup while it is taken, and said to who watches. For one thread. */
final class Journal {
  /** Enough of one kind to see what is wrong. */
  static final int MOST_WARNINGS = 20;

  private final Progress progress;
  private final Map<String, String> attributes = new LinkedHashMap<>();
  private final List<String> warnings = new ArrayList<>();

  Journal(Progress progress) {
    this.progress = progress;
  }

  Progress progress() {
    return progress;
  }

  /** Records something of the server or the way it was read, under its name without a prefix. */
  void put(String name, String value) {
    attributes.put("postgres." + name, value);
  }

  /** Says something that is not recorded. */
  void note(String text) {
    progress.note(text);
  }

  /** Records what makes the backup one with a warning. */
  void warn(String text) {
    warnings.add(text);
    progress.warning(text);
  }

  Map<String, String> attributes() {
    return Collections.unmodifiableMap(attributes);
  }

  List<String> warnings() {
    return Collections.unmodifiableList(warnings);
  }

  /** Forgets an attempt that failed. */
  void clear() {
    attributes.clear();
    warnings.clear();
  }
}
