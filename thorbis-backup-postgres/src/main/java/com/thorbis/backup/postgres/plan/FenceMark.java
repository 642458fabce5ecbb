package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The sign that a cluster was restored and has not taken its source's place. */
public final class FenceMark {
  /**
   * The setting that tells a fenced cluster: {@code BACKUP/INCARNATION}, and {@link #STANDBY}
   * behind it. Servers take settings of unknown extensions as they are, and every session can read
   * them.
   */
  public static final String SETTING = "thorbis.fenced";

  /** What the mark of a standby ends with: promoted, it goes on with the life of its source. */
  public static final String STANDBY = "/standby";

  private static final String FILE = "postgresql.auto.conf";
  private static final int MOST_BYTES = 1 << 20;
  private static final Pattern LINE =
      Pattern.compile("(?m)^\\s*thorbis\\.fenced\\s*=\\s*'([^'\\n]*)'\\s*$");

  private FenceMark() {}

  /** The sign in a data directory's settings, where the last line of a name wins. */
  public static Optional<String> in(Path dataDirectory) throws IOException {
    Path file = dataDirectory.resolve(FILE);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    String text;
    try (var in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
      text = new String(in.readNBytes(MOST_BYTES), StandardCharsets.ISO_8859_1);
    } catch (NoSuchFileException e) {
      return Optional.empty(); // the server replaces it; the new one is read the next time
    }
    Matcher line = LINE.matcher(text);
    Optional<String> found = Optional.empty();
    while (line.find()) {
      found = Optional.of(line.group(1)).filter(mark -> !mark.isEmpty());
    }
    return found;
  }

  /** Whether what the cluster writes is its own and not its source's. */
  public static boolean ownLife(String mark) {
    return !mark.endsWith(STANDBY);
  }

  /** What whoever takes log or backups of a fenced cluster for its source's is told. */
  public static BackupException refusal(String cluster, String source, String mark) {
    return BackupException.of(
            "source.fenced",
            FailureKind.REFUSED,
            cluster
                + " was restored from "
                + source
                + " ("
                + mark
                + ") and is FENCED: what it writes is not the source's")
        .remedy(
            "If it takes the source's place, run source adopt "
                + source
                + ". Otherwise point url at the source's own server.")
        .detail("fence", mark)
        .build();
  }
}
