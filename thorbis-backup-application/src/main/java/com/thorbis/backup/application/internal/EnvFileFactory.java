package com.thorbis.backup.application.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.platform.EnvFileSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Opens {@code env-file}: {@code path}. */
public final class EnvFileFactory implements SecretTargetFactory {
  /** For the service loader. */
  public EnvFileFactory() {}

  @Override
  public String type() {
    return EnvFileSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    return EnvFileSecrets.of(absolute(settings.require("path")));
  }

  /** What is relative would be another file for each who runs it elsewhere. */
  private static Path absolute(String path) {
    try {
      Path file = Path.of(path);
      if (file.isAbsolute()) {
        return file;
      }
    } catch (InvalidPathException e) {
      throw invalid("\"" + path + "\" is no path", e);
    }
    throw invalid("\"" + path + "\" is a relative path", null);
  }

  private static BackupException invalid(String problem, @Nullable Throwable cause) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "path of an " + EnvFileSecrets.TYPE + ": " + problem)
        .remedy("Write the file's absolute path.")
        .cause(cause)
        .build();
  }
}
