package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.Optional;

/** Bytes of a table's first page change on disk while the server is away. */
final class DamagedPage implements Fault {
  private static final int PAGE = 8192;
  private static final int CHANGED = 64;

  @Override
  public String label() {
    return Scenario.Simulation.DATA_CORRUPTION.label();
  }

  @Override
  public boolean corrupts() {
    return true;
  }

  @Override
  public Map<String, String> undoing(LocalEnvironment there) {
    return Map.of("restore", "the log's end", "remove", there.primary().dataDirectory().toString());
  }

  @Override
  public void make(LocalEnvironment there) throws IOException {
    Path file = there.primary().dataDirectory().resolve(file(there));
    there.stop(there.primary());
    try (FileChannel table =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      ByteBuffer bytes = ByteBuffer.allocate(CHANGED);
      long at = PAGE - CHANGED; // rows lie at the end of a page
      if (table.read(bytes, at) != CHANGED) {
        throw new IOException(file + " has no first page");
      }
      byte[] changed = bytes.array();
      for (int i = 0; i < changed.length; i++) {
        changed[i] = (byte) ~changed[i];
      }
      table.write(ByteBuffer.wrap(changed), at);
      table.force(true);
    }
    there.start(there.primary());
  }

  private static String file(LocalEnvironment there) throws IOException {
    try (Connection session = there.connect(there.primary(), LocalEnvironment.DATABASE);
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery("SELECT pg_relation_filepath('public." + Probe.TABLE + "')")) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      return row.getString(1);
    } catch (SQLException e) {
      throw new IOException("Where the table lies was not told: " + e.getMessage(), e);
    }
  }

  @Override
  public void undo(LocalEnvironment there) {
    // The environment's removal undoes it, also where this process is killed before.
  }

  @Override
  public Spoiled spoil(LocalEnvironment there) {
    there.point(there.point().orElseThrow().at(there.now()));
    return new Spoiled("some of the log was given up", "where all of the log is good");
  }

  /** The log has none of it, so nothing may be given up. */
  @Override
  public Optional<Seen> seen(LocalEnvironment there) {
    return Optional.of(
        there
            .point()
            .map(
                point ->
                    new Seen(
                        "moment",
                        point.moment().isEmpty(),
                        point
                            .moment()
                            .map(at -> "recovered to " + at + " where all of the log is good")
                            .orElse("recovered to the end of the log")))
            .orElseGet(() -> new Seen("moment", false, "no moment was found")));
  }
}
