package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A conversation that uses every command, and what a client saw in it. */
final class Session implements BaseBackupListener {
  private final List<String> seen = new ArrayList<>();
  private boolean content;

  static List<String> run(ReplicationConnection connection) throws IOException {
    Session session = new Session();
    session.talk(connection);
    return session.seen;
  }

  private void talk(ReplicationConnection connection) throws IOException {
    int major = connection.majorVersion();
    seen.add("version " + major);
    SystemIdentity identity = connection.identify();
    seen.add("identity " + identity);
    seen.add("segments " + connection.segmentSize());
    seen.add("timeout " + connection.showDuration("wal_sender_timeout"));
    connection.createSlot("transcript");
    if (major >= 15) {
      seen.add("slot " + connection.readSlot("transcript"));
      seen.add("slot " + connection.readSlot("nothing"));
    }
    try {
      connection.createSlot("transcript");
    } catch (ServerException e) {
      seen.add("refused " + e.sqlState());
    }
    connection.dropSlot("transcript");
    try {
      connection.timelineHistory(new Timeline(7));
    } catch (ServerException e) {
      seen.add("refused " + e.sqlState());
    }
    seen.add(
        "end "
            + connection.baseBackup(new BaseBackupOptions("it's one", true, 0, true, false), this)
            + " "
            + connection.takeNotices().size());
    Lsn from = new Lsn(identity.position().value() & -(16L << 20));
    WalStream stream = connection.startStreaming(Optional.empty(), from, identity.timeline());
    while (true) {
      WalStream.Event event = stream.poll();
      if (event == WalStream.Event.DATA) {
        seen.add("wal from " + stream.dataStart());
        break;
      }
      if (event == WalStream.Event.END_OF_TIMELINE) {
        seen.add("end of timeline");
        break;
      }
    }
    stream.stop(Duration.ofSeconds(30));
    seen.add("identity " + connection.identify().systemId());
  }

  @Override
  public void begin(WalPosition start, List<Archive> archives, long expectedBytes) {
    seen.add("begin " + start + " " + archives + " " + expectedBytes);
  }

  @Override
  public void archive(Archive archive) {
    seen.add("archive " + archive);
    content = false;
  }

  @Override
  public void data(byte[] bytes, int offset, int length) {
    if (!content && length > 0) {
      content = true;
      seen.add("content " + (bytes[offset] & 0xFF));
    }
  }

  @Override
  public void endArchive() {
    seen.add("archive ends");
    content = false;
  }

  @Override
  public void manifest(byte[] bytes, int offset, int length) {
    if (!content && length > 0) {
      content = true;
      seen.add("manifest " + (char) bytes[offset]);
    }
  }

  @Override
  public void endManifest() {
    seen.add("manifest ends");
  }
}
