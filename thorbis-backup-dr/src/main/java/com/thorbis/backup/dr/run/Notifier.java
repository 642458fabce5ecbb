package com.thorbis.backup.dr.run;

import java.io.IOException;

/** Tells people something. */
@FunctionalInterface
public interface Notifier {
  /**
   * Tells it.
   *
   * @param to who, as the plan names them
   * @param text what
   * @param key the same if it is told again
   */
  void tell(String to, String text, String key) throws IOException, InterruptedException;
}
