package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.server.ThrowAwayServer;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.ChannelBinding;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.Method;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What {@code pg_dump} says of tables on a throw-away server, or of a whole database. */
final class Definitions {
  private static final int MOST_BYTES = 64 << 20;

  private final ClientTools tools;
  private final Past past;
  private final boolean owners;
  private final Cancellation cancellation;

  Definitions(ClientTools tools, Past past, boolean owners, Cancellation cancellation) {
    this.tools = tools;
    this.past = past;
    this.owners = owners;
    this.cancellation = cancellation;
  }

  /** The programs that belong to the server, or ones that are not older than it. */
  static ClientTools find(PostgresSettings settings, Set<Tool> needed, int major)
      throws IOException {
    Optional<Path> beside =
        settings
            .binDirectory()
            .filter(
                folder ->
                    needed.stream()
                        .allMatch(tool -> Files.isExecutable(folder.resolve(tool.label()))));
    return ClientTools.find(
        settings.clientToolsDirectory().or(() -> beside), needed, major, settings.stateDirectory());
  }

  /** The programs themselves. */
  ClientTools tools() {
    return tools;
  }

  /**
   * Begins to write all of the database as an archive that {@code pg_restore} reads as it comes.
   *
   * @param tablespaces whether the database goes to the one it was in
   */
  ToolRun archive(boolean tablespaces) throws IOException {
    List<String> words = whole();
    if (!tablespaces) {
      words.add("--no-tablespaces");
    }
    words.addAll(List.of("--format=custom", "--compress=0"));
    return tools.start(Tool.PG_DUMP, connection(), words, cancellation);
  }

  /** A file that is there, and empty, gets all of the database. */
  void writeWhole(Path file, boolean script) throws IOException {
    List<String> words = whole();
    words.add(script ? "--format=plain" : "--format=custom");
    words.add("--file=" + file);
    try (ToolRun run = tools.start(Tool.PG_DUMP, connection(), words, cancellation)) {
      run.finish();
    }
  }

  private List<String> whole() {
    List<String> words = new ArrayList<>(List.of("--no-subscriptions"));
    if (!owners) {
      words.add("--no-owner");
      words.add("--no-privileges");
    }
    return words;
  }

  /**
   * The statements that make the tables, before rows come.
   *
   * @param tablespaces whether they go to the ones they were in
   */
  String before(boolean tablespaces) throws IOException {
    return script("pre-data", tablespaces);
  }

  /** The statements that give them indexes, constraints, triggers and policies. */
  String after(boolean tablespaces) throws IOException {
    return script("post-data", tablespaces);
  }

  private String script(String section, boolean tablespaces) throws IOException {
    List<String> words = words();
    if (!tablespaces) {
      words.add("--no-tablespaces");
    }
    words.add("--schema-only");
    words.add("--section=" + section);
    byte[] text;
    try (ToolRun run = tools.start(Tool.PG_DUMP, connection(), words, cancellation)) {
      text = run.output().readNBytes(MOST_BYTES);
      run.finish();
    }
    if (text.length == MOST_BYTES) {
      throw BackupException.of(
              "restore.too-many-tables",
              FailureKind.REFUSED,
              "The definitions of the tables are longer than " + (MOST_BYTES >> 20) + " MiB")
          .remedy("Restore fewer at once, or into a file.")
          .build();
    }
    return statements(new String(text, StandardCharsets.UTF_8));
  }

  /** A file that is there, and empty, gets it all. */
  void write(Path file, boolean script, boolean ownSchema) throws IOException {
    List<String> words = words();
    words.add(script ? "--format=plain" : "--format=custom");
    words.add("--file=" + file);
    if (ownSchema) {
      // The schema is to be made by the file, too, and holds nothing else.
      words.removeIf(word -> word.startsWith("--table="));
      words.add("--schema=" + Sql.name(past.all().get(0).schema()));
    }
    try (ToolRun run = tools.start(Tool.PG_DUMP, connection(), words, cancellation)) {
      run.finish();
    }
  }

  private List<String> words() {
    List<String> words = new ArrayList<>(List.of("--encoding=UTF8", "--strict-names"));
    if (!owners) {
      words.add("--no-owner");
      words.add("--no-privileges");
    }
    for (Relation one : past.all()) {
      words.add("--table=" + one.sql());
    }
    return words;
  }

  private ToolConnection connection() {
    ThrowAwayServer server = past.server();
    return new ToolConnection(
        server.address(),
        server.superuser(),
        Optional.empty(),
        past.database(),
        new TlsSettings(
            TlsSettings.Mode.DISABLE,
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            false),
        new AuthenticationPolicy(Set.of(Method.NONE), ChannelBinding.DISABLE),
        "thorbis-restore-table",
        Duration.ofSeconds(10));
  }

  /**
   * Without what only {@code psql} understands, which newer versions put first and last, and
   * without a setting that servers before version 17 do not know.
   */
  static String statements(String script) {
    StringBuilder text = new StringBuilder(script.length());
    boolean head = true;
    String last = "";
    for (String line : script.split("(?<=\n)", -1)) {
      head &= !line.startsWith("-- Name: ");
      if (head && line.startsWith("\\restrict ")) {
        last = "\\un" + line.substring(1);
      } else if (!(head && line.startsWith("SET transaction_timeout "))) {
        text.append(line);
      }
    }
    int end = last.isEmpty() ? -1 : text.lastIndexOf(last.strip());
    if (end >= 0) {
      text.delete(end, end + last.strip().length());
    }
    return text.toString();
  }
}
