package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.retention.Branch;
import com.thorbis.backup.storage.internal.retention.Descent;
import com.thorbis.backup.storage.internal.retention.Line;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The timeline history files of a source; each is read once, as none ever changes. */
public final class Histories {
  private static final Logger LOG = LoggerFactory.getLogger(Histories.class);
  private static final Timeline FIRST = new Timeline(1);

  private final Services services;
  private final String source;
  private final Map<Line, byte[]> read = new HashMap<>();

  /** Of a source of an open repository. */
  public Histories(Services services, String source) {
    this.services = services;
    this.source = source;
  }

  /**
   * How the lines of these backups descend from each other, as far as that is stored.
   *
   * @throws IOException if the store could not be asked: what is not known then may be known the
   *     next time, and a plan must not change by that
   */
  public List<Branch> branches(List<Catalog.Kept> backups) throws IOException {
    Catalog.Source found = services.log().catalog().source(source).orElseThrow();
    Set<Line> lines = new LinkedHashSet<>();
    for (Catalog.Kept kept : backups) {
      StoredBackup backup = kept.entry().backup();
      backup.log().ifPresent(log -> lines.add(new Line(backup.incarnation(), log.timeline())));
    }
    Map<Line, byte[]> histories = new LinkedHashMap<>();
    if (lines.size() > 1) {
      for (Line line : lines) {
        if (!line.timeline().equals(FIRST)) {
          history(found, line).ifPresent(content -> histories.put(line, content));
        }
      }
    }
    return Descent.of(found.info(), lines, histories);
  }

  private Optional<byte[]> history(Catalog.Source found, Line line) throws IOException {
    byte[] known = read.get(line);
    if (known != null) {
      return Optional.of(known);
    }
    try {
      Optional<byte[]> content =
          new SealedWalArchive(services, found, line.incarnation()).history(line.timeline());
      content.ifPresent(bytes -> read.put(line, bytes));
      return content;
    } catch (RepositoryException e) {
      if (e.kind() != FailureKind.DAMAGED) {
        throw e;
      }
      LOG.warn("Where timeline {} began is not known: {}", line.timeline(), e.getMessage());
      return Optional.empty();
    }
  }
}
