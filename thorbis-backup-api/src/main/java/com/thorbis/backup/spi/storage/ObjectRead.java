package com.thorbis.backup.spi.storage;

import java.io.IOException;
import java.io.InputStream;

/** An object, or a part of one, being read by one thread. */
public interface ObjectRead extends AutoCloseable {
  /** The whole object's facts. */
  ObjectInfo info();

  /** The bytes asked for. A stream that ends early fails; it never pretends to be complete. */
  InputStream body();

  @Override
  void close() throws IOException;
}
