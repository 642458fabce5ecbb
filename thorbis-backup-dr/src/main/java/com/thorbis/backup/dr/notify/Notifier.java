package com.thorbis.backup.dr.notify;

import java.io.IOException;
import java.util.List;

/**
 * A way to tell somebody. Used by one thread at a time, which is interrupted when it takes too
 * long; may be told the same again after a failure.
 */
public interface Notifier extends AutoCloseable {
  /**
   * Tells all of it at once, or fails; returns when whoever carries it on has taken it.
   *
   * @throws IOException if that is not sure; its message holds no secret
   */
  void tell(List<Notice> notices) throws IOException;

  @Override
  default void close() {}
}
