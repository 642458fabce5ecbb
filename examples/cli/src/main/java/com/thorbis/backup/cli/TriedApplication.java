package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.app.ApplicationEngine;
import com.thorbis.backup.application.app.ApplicationRestore;
import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.RestoreWish;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.dr.simulate.ApplicationKeeper;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Keeps the application of a simulation as applications are kept, in a repository of its own. */
final class TriedApplication implements ApplicationKeeper {
  private static final String SOURCE = "application";

  private final Clock clock;
  private final String passphrase;

  TriedApplication(Clock clock) {
    this.clock = clock;
    byte[] drawn = new byte[24];
    new SecureRandom().nextBytes(drawn);
    this.passphrase = HexFormat.of().formatHex(drawn);
  }

  private ThorbisBackup open(Path work, String folder) throws IOException {
    Map<String, Object> source = new LinkedHashMap<>();
    source.put("source", "none");
    source.put("files", "none");
    source.put("artifacts.folder", folder);
    source.put("artifacts.include", "**");
    Path repository = work.resolve("repository");
    Files.createDirectories(repository);
    return ThorbisBackup.builder()
        .stateDirectory(work.resolve("state"))
        .copy(repository.toUri(), Map.of())
        .recipient(
            URI.create("passphrase:simulation"),
            Map.of("passphrase", SecretValue.ofText(passphrase)))
        .acceptSingleKeyRisk(true)
        .source(SOURCE, "static", source)
        .clock(clock)
        .build();
  }

  @Override
  public void backUp(Path application, Path work) throws IOException {
    try (ThorbisBackup opened = open(work, application.toString())) {
      opened.init();
      opened.backup(BackupRequest.builder(SOURCE).build(), RunControl.unattended());
    }
  }

  @Override
  public Path restore(Path work, Path into) throws IOException {
    try (ThorbisBackup opened = open(work, into.toString())) {
      ApplicationEngine engine = opened.engine(SOURCE, ApplicationEngine.class);
      RestoreWish wish = new RestoreWish(Optional.of(into), ApplyMode.CREATE_MISSING);
      try (ApplicationRestore restore =
          engine.restore(
              opened.backups(Optional.of(SOURCE)).get(0).id(),
              new LinkedHashSet<>(List.of("artifacts")),
              wish,
              opened.repository())) {
        List<Step> plan = restore.plan();
        for (ApplicationRestore.Result each : restore.run(plan, RunControl.unattended())) {
          if (each.done() == ApplicationRestore.Done.FAILED) {
            throw BackupException.of(each.code(), FailureKind.PERMANENT, each.message())
                .remedy(each.remedy())
                .build();
          }
        }
      }
    }
    return into.resolve("artifacts");
  }
}
