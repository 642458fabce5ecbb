package com.thorbis.backup.spi;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Addresses of services, from settings. */
public final class Endpoints {
  private static final Pattern LOOPBACK =
      Pattern.compile("localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\]|\\[0:0:0:0:0:0:0:1\\]");

  private Endpoints() {}

  /**
   * The address under a key, if given.
   *
   * @throws BackupException as {@link #parse} does
   */
  public static Optional<URI> find(Settings settings, String key) {
    return settings.find(key).map(text -> parse(settings.describe(key), text));
  }

  /**
   * An address: {@code https}, or {@code http} to this host alone, as anybody on the way could read
   * or change what passes.
   *
   * @param setting what messages call it
   * @throws BackupException of kind CONFIGURATION if it is another
   */
  public static URI parse(String setting, String text) {
    URI uri;
    try {
      uri = new URI(text);
    } catch (URISyntaxException e) {
      throw invalid(setting, text, "is no address");
    }
    if (uri.getHost() == null || uri.getUserInfo() != null) {
      throw invalid(setting, uri.getHost() == null ? text : uri.getHost(), "is no address");
    }
    boolean safe =
        "https".equalsIgnoreCase(uri.getScheme())
            || "http".equalsIgnoreCase(uri.getScheme())
                && LOOPBACK.matcher(uri.getHost().toLowerCase(Locale.ROOT)).matches();
    if (!safe) {
      throw invalid(setting, text, "goes to another host without TLS");
    }
    return uri;
  }

  private static BackupException invalid(String setting, String text, String problem) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            setting + ": \"" + text + "\" " + problem)
        .remedy("Write https://HOST; http:// is for a service on this host.")
        .build();
  }
}
