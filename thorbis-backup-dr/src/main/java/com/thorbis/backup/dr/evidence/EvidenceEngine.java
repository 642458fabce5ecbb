package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.engine.ServerlessEngine;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Lets a host name its evidence among its sources, for a retention and to have it checked. Records
 * are written by what they are about, through {@link EvidenceLog}.
 */
public final class EvidenceEngine extends ServerlessEngine {
  private final Path stateDirectory;
  private final Duration keep;

  /**
   * Of one source.
   *
   * @param keep how old evidence must be to be let go of
   */
  public EvidenceEngine(String source, Path stateDirectory, Duration keep, Clock clock) {
    super(source, "Have its records looked at with check " + source + ".", clock);
    this.stateDirectory = stateDirectory;
    this.keep = keep;
  }

  /** How old evidence must be to be let go of. */
  public Duration keep() {
    return keep;
  }

  @Override
  protected BackupDescriptor take(
      BackupRequest request, Repository repository, RunControl control) {
    throw BackupException.of(
            "evidence.written-by-itself",
            FailureKind.REFUSED,
            "Source " + source() + " holds evidence, which is written when something is done")
        .remedy("Run report create: it also writes what waits on this host.")
        .build();
  }

  /** Reads and checks every record. */
  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    EvidenceLog log =
        EvidenceLog.builder(() -> repository, stateDirectory)
            .source(source())
            .keep(keep)
            .clock(clock())
            .build();
    List<CheckItem> items = new ArrayList<>();
    EvidenceChain chain = log.read();
    for (EvidenceChain.Problem problem : chain.problems()) {
      items.add(
          new CheckItem(
              "evidence." + problem.code(),
              CheckItem.Outcome.FAIL,
              problem.record() + " " + problem.message(),
              "Find out who changed it; another copy may have it as it was."));
    }
    if (chain.sound()) {
      items.add(
          new CheckItem(
              "evidence.chain",
              CheckItem.Outcome.OK,
              chain.records().size() + " records, each as it was written",
              ""));
    }
    long unsigned = chain.records().stream().filter(record -> record.signature().isEmpty()).count();
    if (unsigned > 0) {
      items.add(
          new CheckItem(
              "evidence.signatures",
              CheckItem.Outcome.WARN,
              unsigned + " records are not signed",
              "Set repository.signing-key, so that those to come are."));
    }
    int waiting = log.waiting();
    if (waiting > 0) {
      items.add(
          new CheckItem(
              "evidence.waiting",
              CheckItem.Outcome.WARN,
              waiting + " records wait on this host for the repository",
              "Run report create once the repository can be written."));
    }
    return items;
  }

  @Override
  public void close() {}
}
