package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.Sources;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPInputStream;

/** What a real server said in one {@link Session}, with the bulk of files and WAL left out. */
final class Transcript {
  private static final int KEPT_BYTES = 64;
  private static final int KEPT_IN_A_ROW = 3;

  private Transcript() {}

  static byte[] recorded(int major) throws IOException {
    try (InputStream in = Transcript.class.getResourceAsStream("transcript-" + major + ".bin.gz");
        GZIPInputStream unpacked =
            new GZIPInputStream(java.util.Objects.requireNonNull(in, "transcript"))) {
      return unpacked.readAllBytes();
    }
  }

  /** A client over a server that says this, whatever it is told. */
  static ReplicationConnection client(byte[] says, String... settings) throws IOException {
    PostgresSettings read =
        Sources.settings(
            Path.of("."), "jdbc:postgresql://127.0.0.1:1/postgres", "postgres", settings);
    return ReplicationConnection.over(
        read, new Cancellation(), new Transport(new Said(says), new Said(says), Optional.empty()));
  }

  /** Where the messages start. */
  static List<Integer> starts(byte[] transcript) {
    List<Integer> starts = new ArrayList<>();
    ByteBuffer in = ByteBuffer.wrap(transcript);
    while (in.hasRemaining()) {
      starts.add(in.position());
      in.get();
      in.position(in.position() - 1 + 1 + in.getInt());
    }
    return starts;
  }

  /** Leaves the frames as they are and shortens what they carry in bulk. */
  static byte[] compacted(byte[] all, boolean tagged) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteBuffer in = ByteBuffer.wrap(all);
    int inARow = 0;
    boolean walBegan = false;
    while (in.hasRemaining()) {
      byte type = in.get();
      int length = in.getInt() - 4;
      byte[] body = new byte[length];
      in.get(body);
      walBegan |= type == 'W';
      boolean bulk = type == 'd' && (walBegan ? body[0] == 'w' : !tagged || body[0] == 'd');
      inARow = bulk ? inARow + 1 : 0;
      if (bulk && inARow > KEPT_IN_A_ROW) {
        continue;
      }
      int kept = bulk ? Math.min(length, KEPT_BYTES) : length;
      out.writeBytes(
          ByteBuffer.allocate(5 + kept).put(type).putInt(4 + kept).put(body, 0, kept).array());
    }
    return out.toByteArray();
  }

  /** A socket that has everything to read already. */
  private static final class Said extends Socket {
    private final InputStream in;

    Said(byte[] bytes) {
      this.in = new ByteArrayInputStream(bytes);
    }

    @Override
    public InputStream getInputStream() {
      return in;
    }

    @Override
    public OutputStream getOutputStream() {
      return OutputStream.nullOutputStream();
    }

    @Override
    public void setSoTimeout(int millis) {}

    @Override
    public void close() {}
  }
}
