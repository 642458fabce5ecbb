package com.thorbis.backup.spi.storage;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Content of known length that can be read more than once, as a repeated attempt needs it. */
public interface ObjectSource {
  /** The length in bytes. */
  long length();

  /** A new stream over the same bytes, from the first. The caller closes it. */
  InputStream open() throws IOException;

  /** The bytes of an array, which must not change while in use. */
  static ObjectSource of(byte[] content) {
    return new ObjectSource() {
      @Override
      public long length() {
        return content.length;
      }

      @Override
      public InputStream open() {
        return new ByteArrayInputStream(content);
      }
    };
  }
}
