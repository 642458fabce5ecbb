package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import java.util.Arrays;

/**
 * Opens engines for sources of the type {@code recovery-point}: {@code members} names the sources
 * it is made of, separated by commas or line ends; {@code type-of-backup} is what backups of
 * servers read, if not what their sources say. {@code reconcile.query} gives the paths of files
 * that rows name, {@code reconcile.files} the member that has them, {@code reconcile.prefix} what
 * comes before them there.
 */
public final class RecoveryPointEngineFactory implements SourceEngineFactory {
  /** Called by the service loader. */
  public RecoveryPointEngineFactory() {}

  @Override
  public String type() {
    return RecoveryPointEngine.TYPE;
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    Settings settings = context.settings();
    RecoveryPointEngine.Builder engine =
        RecoveryPointEngine.builder(name, context::source).clock(context.clock());
    for (String member : settings.require("members").split("[,\n]", -1)) {
      engine.member(member.strip());
    }
    settings.find("type-of-backup").ifPresent(label -> engine.type(type(settings, label)));
    if (settings.keys().stream().anyMatch(key -> key.startsWith("reconcile."))) {
      engine.reconcile(
          settings.require("reconcile.query"),
          settings.require("reconcile.files"),
          settings.find("reconcile.prefix").orElse(""));
    }
    return engine.build();
  }

  private static BackupType type(Settings settings, String label) {
    return BackupType.ofLabel(label)
        .orElseThrow(
            () ->
                BackupException.of(
                        "configuration.invalid",
                        FailureKind.CONFIGURATION,
                        settings.describe("type-of-backup") + ": there is no \"" + label + "\"")
                    .remedy(
                        "Write "
                            + String.join(
                                ", ",
                                Arrays.stream(BackupType.values()).map(BackupType::label).toList())
                            + ".")
                    .build());
  }
}
