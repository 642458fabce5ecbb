package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import java.io.IOException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What every way to talk to a server can ask it. Used by one thread. */
public interface ServerSession extends AutoCloseable {
  /** Who is there, and where its log ends. */
  SystemIdentity identify() throws IOException;

  /** The version as the server writes it. */
  String serverVersion();

  /** The value of a server's parameter, with its unit. */
  String show(String name) throws IOException;

  /** The same of one that the server may not know, or that may have no value. */
  Optional<String> find(String name) throws IOException;

  /** The history file of a timeline that is not the first one. */
  byte[] timelineHistory(Timeline timeline) throws IOException;

  @Override
  void close() throws IOException;

  /** The server's major version. */
  default int majorVersion() throws ProtocolException {
    Matcher digits = Pattern.compile("^([0-9]{1,3})").matcher(serverVersion());
    if (!digits.find()) {
      throw new ProtocolException("a version \"" + serverVersion() + "\"");
    }
    return Integer.parseInt(digits.group(1));
  }

  /** How long the server's WAL segments are. */
  default WalSegmentSize segmentSize() throws IOException {
    String text = show("wal_segment_size");
    Matcher form = Pattern.compile("([0-9]{1,9})(B|kB|MB|GB)?").matcher(text);
    if (form.matches()) {
      long unit =
          switch (form.group(2) == null ? "B" : form.group(2)) {
            case "kB" -> 1L << 10;
            case "MB" -> 1L << 20;
            case "GB" -> 1L << 30;
            default -> 1;
          };
      try {
        return new WalSegmentSize(Math.toIntExact(Long.parseLong(form.group(1)) * unit));
      } catch (IllegalArgumentException | ArithmeticException e) {
        // Reported below.
      }
    }
    throw new ProtocolException("WAL segments of \"" + text + "\"");
  }
}
