package com.thorbis.backup.dr.drill;

import com.thorbis.backup.dr.drill.Checks.Finding;
import com.thorbis.backup.dr.drill.Checks.Scope;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.spi.repository.RunControl;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What a drill asks of a restored server about the integrity of its data, asked of another one that
 * is there to be tried: an extension is made in its databases for it.
 */
public final class ServerChecks {
  private ServerChecks() {}

  /** Opens sessions of a superuser. */
  @FunctionalInterface
  public interface Sessions {
    /**
     * One more.
     *
     * @return the caller's to close
     */
    Connection connect(String database) throws SQLException;
  }

  /**
   * Reads all tables, and compares indexes, rows and constraints.
   *
   * @param budget how long tables may be read for
   */
  public static List<DrillCheck> integrity(Sessions sessions, RunControl control, Duration budget) {
    Checks checks = new Checks(sessions, control);
    List<DrillCheck> seen = new ArrayList<>();
    seen.add(look(Checks.TABLES, () -> checks.tables(Scope.ALL, budget)));
    seen.add(look(Checks.INDEXES, () -> checks.indexes(Scope.ALL)));
    seen.add(look(Checks.HEAP, () -> checks.heap(Scope.ALL)));
    seen.add(look(Checks.CONSTRAINTS, () -> checks.constraints(Scope.ALL)));
    return seen;
  }

  /**
   * Makes damage that each of these has to name, in a schema of its own, and sees whether it does.
   *
   * @param database in which
   * @param budget how long tables may be read for
   */
  public static List<Plant> plants(
      Sessions sessions, String database, RunControl control, Duration budget) throws SQLException {
    Plants plants = new Plants(new Checks(sessions, control), database);
    plants.lostFile(budget);
    plants.missingEntry();
    plants.tooOldRow();
    plants.brokenConstraints();
    return plants.plants();
  }

  private interface Look {
    Finding look() throws SQLException;
  }

  private static DrillCheck look(String name, Look look) {
    long begun = System.nanoTime();
    Finding finding;
    try {
      finding = look.look();
    } catch (SQLException e) {
      finding = Finding.failed("the server does not answer: " + Checks.words(e));
    }
    return new DrillCheck(
        name,
        Category.INTEGRITY,
        true,
        finding.outcome(),
        finding.detail(),
        (System.nanoTime() - begun) / 1_000_000);
  }
}
