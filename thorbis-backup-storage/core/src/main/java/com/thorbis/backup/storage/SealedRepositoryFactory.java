package com.thorbis.backup.storage;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.CipherWarmup;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.storage.internal.SealedRepository;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.session.SessionRepository;
import com.thorbis.backup.storage.internal.verify.ObjectDecoder;
import java.io.IOException;
import java.io.InputStream;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/** Creates and opens sealed repositories in object stores. */
public final class SealedRepositoryFactory implements RepositoryFactory {
  private final SecureRandom random = new SecureRandom();
  private final AtomicBoolean warm = new AtomicBoolean();

  private final Tuning tuning;

  /** Keeps nothing between calls but that the ciphers are warm. */
  public SealedRepositoryFactory() {
    this(Tuning.STANDARD);
  }

  SealedRepositoryFactory(Tuning tuning) {
    this.tuning = tuning;
  }

  @Override
  public InitReport init(RepositorySetup asked) throws IOException {
    requireOpen(asked);
    RepositorySetup setup = kept(asked);
    InitReport report = Bootstrap.init(setup, tuning.checkpointEvery(), random);
    if (!report.created() || setup.copies().size() == 1) {
      return report;
    }
    // A new repository is small: the other copies get it at once.
    try (Repository repository = open(asked)) {
      List<String> notes =
          repository.syncCopies(RunControl.unattended()).copies().stream()
              .flatMap(
                  copy -> copy.problems().stream().map(problem -> copy.name() + ": " + problem))
              .toList();
      return new InitReport(report.repositoryId(), true, report.recipients(), notes);
    }
  }

  @Override
  public Repository open(RepositorySetup asked) throws IOException {
    RepositorySetup setup = kept(asked);
    if (warm.compareAndSet(false, true)) {
      CipherWarmup.start();
    }
    if (setup.sealed().isPresent()) {
      return SessionRepository.open(setup, tuning, random);
    }
    Bootstrap.Opened opened = Bootstrap.open(setup, tuning.checkpointEvery(), random);
    Services services =
        new Services(
            opened.header().id(),
            opened.store(),
            opened.keys(),
            opened.log(),
            PieceCodec.of(setup.compression()),
            setup.parallelism(),
            setup.clock(),
            random,
            tuning);
    SealedRepository repository = new SealedRepository(services, opened, setup);
    return tuning.triesStores() ? repository.tryingStores() : repository;
  }

  @Override
  public void promote(RepositorySetup setup, boolean force) throws IOException {
    requireOpen(setup);
    Bootstrap.promote(kept(setup), force, tuning.checkpointEvery(), random);
  }

  @Override
  public WritersReport changeWriters(RepositorySetup setup, WritersRequest request)
      throws IOException {
    requireOpen(setup);
    return Bootstrap.changeWriters(kept(setup), request, tuning.checkpointEvery(), random);
  }

  private static void requireOpen(RepositorySetup setup) throws RepositoryException {
    if (setup.sealed().isPresent()) {
      throw new RepositoryException(
          "repository.sealed",
          FailureKind.REFUSED,
          "This host is a sealed writer of the repository, and opens nothing of it",
          Map.of(),
          "Do it on a host that opens the repository.",
          null);
    }
  }

  private static RepositorySetup kept(RepositorySetup setup) {
    return setup.with(KeepingStore.over(setup.copies(), setup.clock()));
  }

  @Override
  public ObjectDescription decode(InputStream object) throws IOException {
    return ObjectDecoder.describe(object);
  }
}
