package com.thorbis.backup.application.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.platform.GitHubActionsSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.util.Optional;

/**
 * Opens {@code github-actions}: {@code repository}, as {@code OWNER/NAME}, {@code environment}, and
 * a connection.
 */
public final class GitHubActionsFactory implements SecretTargetFactory {
  /** For the service loader. */
  public GitHubActionsFactory() {}

  @Override
  public String type() {
    return GitHubActionsSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String repository = settings.require("repository");
    String[] parts = repository.split("/", -1);
    if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("repository") + ": \"" + repository + "\" names no repository")
          .remedy("Write OWNER/NAME.")
          .build();
    }
    Optional<String> environment = settings.find("environment");
    return Connections.open(
        context,
        connection ->
            environment.isPresent()
                ? GitHubActionsSecrets.ofEnvironment(
                    connection, parts[0], parts[1], environment.get())
                : GitHubActionsSecrets.ofRepository(connection, parts[0], parts[1]));
  }
}
