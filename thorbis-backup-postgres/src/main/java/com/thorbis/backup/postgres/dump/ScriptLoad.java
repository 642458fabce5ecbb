package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.Contents.Apart;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.PrivateFile;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Loads a dump that has the rows of some tables beside its archive: what {@code pg_restore} makes
 * of the archive, and the rows before indexes and keys, is one script in one transaction, which
 * {@code psql} runs.
 */
final class ScriptLoad {
  private static final byte[] COMMIT = "\nCOMMIT;\n".getBytes(StandardCharsets.UTF_8);

  /** More than {@code pg_restore} writes behind its COMMIT, and that itself. */
  private static final int END_BYTES = 1024;

  /** More than it writes before the line that keeps {@code psql} from running other commands. */
  private static final int HEAD_BYTES = 1024;

  private static final String UNRESTRICT = "\\unrestrict ";

  /** So that a server gives up an index soon that nobody waits for, where it can look. */
  private static final String LOOK_WHETHER_WE_ARE_THERE =
      "SELECT pg_catalog.set_config(name, '10s', true) FROM pg_catalog.pg_settings WHERE name ="
          + " 'client_connection_check_interval' AND pg_catalog.version() ~ 'linux';\n";

  private final ClientTools tools;
  private final ToolConnection connection;
  private final BackupReader reader;
  private final Predicate<StoredFile> archive;
  private final List<String> options;
  private final byte[] entries;
  private final RunControl control;

  /** What lets {@code psql} run the next script, when everything of the last was said. */
  private String unrestrict = "";

  /**
   * One load.
   *
   * @param options for {@code pg_restore}
   * @param entries what of the archive is to be loaded
   */
  ScriptLoad(
      ClientTools tools,
      ToolConnection connection,
      BackupReader reader,
      Predicate<StoredFile> archive,
      List<String> options,
      byte[] entries,
      RunControl control) {
    this.tools = tools;
    this.connection = connection;
    this.reader = reader;
    this.archive = archive;
    this.options = options;
    this.entries = entries;
    this.control = control;
  }

  /** Loads everything or nothing; returns what the programs complained about. */
  List<String> run(List<DumpedTable> apart) throws IOException {
    List<String> said = new ArrayList<>();
    boolean loaded = false;
    ToolRun psql =
        tools.start(
            Tool.PSQL,
            connection,
            List.of("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"),
            control.cancellation());
    try {
      Script script = new Script(psql.input());
      control.progress().begin("load", -1);
      try {
        said.addAll(
            restore(script, "--section=pre-data", "--section=data", "--single-transaction"));
        script.say(LOOK_WHETHER_WE_ARE_THERE);
        for (DumpedTable each : apart) {
          rows(script, each.table(), each.apart().orElseThrow());
        }
        script.say(unrestrict);
        said.addAll(restore(script, "--section=post-data"));
        // The only one: a script that breaks off before is rolled back.
        script.say("COMMIT;\n");
        script.close();
      } catch (IOException e) {
        if (!script.broken) {
          control.cancellation().check();
          throw e;
        }
        psql.finish();
        throw e; // it ended well, and did not read what it had to
      }
      said.addAll(psql.finish());
      loaded = true;
      control.progress().end("load");
      return said;
    } finally {
      DumpLoad.close(psql::close, loaded, said);
    }
  }

  private void rows(Script script, Table table, Apart apart) throws IOException {
    script.say(
        "SET client_encoding = 'UTF8';\nSET DateStyle = 'ISO, YMD';\n"
            + "SET IntervalStyle = 'postgres';\nSET lc_monetary = 'C';\nCOPY "
            + DatabaseSession.quoted(table.schema())
            + "."
            + DatabaseSession.quoted(table.name())
            + " ("
            + apart.columns().stream()
                .map(DatabaseSession::quoted)
                .collect(Collectors.joining(", "))
            + ") FROM stdin;\n");
    reader.extract(
        file -> file.area() == StoredFile.Area.DATA && file.path().equals(apart.file()),
        new Feed(script, fed -> control.progress().advance(script.passed.get(), -1)),
        control);
    script.say("\\.\nRESET DateStyle;\nRESET IntervalStyle;\nRESET lc_monetary;\n");
  }

  /** Passes on what {@code pg_restore} makes of the archive. */
  private List<String> restore(Script script, String... sections) throws IOException {
    List<String> arguments = new ArrayList<>(options);
    arguments.add("--file=-");
    arguments.addAll(List.of(sections));
    boolean commits = arguments.contains("--single-transaction");
    try (ToolRun run =
        tools.start(
            Tool.PG_RESTORE,
            connection,
            arguments,
            List.of(new PrivateFile("--use-list=", entries)),
            control.cancellation())) {
      FutureTask<Optional<String>> passed =
          new FutureTask<>(() -> commits ? passOpen(run.output(), script) : passWhole(run, script));
      Thread thread = new Thread(passed, "thorbis-dump-script");
      thread.setDaemon(true);
      thread.start();
      Feed feed = new Feed(run.input(), fed -> {});
      try {
        reader.extract(archive, feed, control);
        feed.end();
      } catch (IOException e) {
        if (!feed.broken()) {
          control.cancellation().check();
          throw e;
        }
        // It has what it needs, or failed, which its end tells.
      }
      Optional<String> heldBack = passed.get();
      List<String> said = run.finish();
      unrestrict =
          heldBack.orElseThrow(
              () -> new IOException("pg_restore wrote no script that ends with a COMMIT"));
      return said;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a script was passed on");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException failure) {
        throw failure;
      }
      if (e.getCause() instanceof BackupException failure) {
        throw failure;
      }
      throw new IOException("A script cannot be passed on", e.getCause());
    }
  }

  private static Optional<String> passWhole(ToolRun from, OutputStream to) throws IOException {
    try {
      from.output().transferTo(to);
      return Optional.of("");
    } catch (IOException e) {
      from.output().transferTo(OutputStream.nullOutputStream()); // so that it comes to an end
      throw e;
    }
  }

  /**
   * Passes a script on, but for its COMMIT and for what lets {@code psql} run other commands again:
   * there is more to come. Large objects are why {@code pg_restore} has to be told of one
   * transaction: it would make others for them.
   *
   * @return what lets it, or nothing if the script did not end as it should
   * @throws BackupException code {@code tools.too-old} if it restricts {@code psql} to nothing;
   *     nothing was passed on then
   */
  static Optional<String> passOpen(InputStream from, OutputStream to) throws IOException {
    try {
      byte[] buffer = new byte[1 << 16];
      int held = from.readNBytes(buffer, 0, HEAD_BYTES);
      if (held == 0) {
        return Optional.empty();
      }
      if (new String(buffer, 0, held, StandardCharsets.UTF_8)
          .lines()
          .noneMatch(line -> line.startsWith("\\restrict "))) {
        from.close(); // so that whoever writes comes to an end
        throw BackupException.of(
                "tools.too-old",
                FailureKind.CONFIGURATION,
                "This pg_restore does not keep psql from running commands that rows hold, which the"
                    + " load of tables that were split needs")
            .remedy("Install the newest minor version of the PostgreSQL client tools.")
            .build();
      }
      for (int read = from.read(buffer, held, buffer.length - held);
          read >= 0;
          read = from.read(buffer, held, buffer.length - held)) {
        int all = held + read;
        held = Math.min(all, END_BYTES);
        to.write(buffer, 0, all - held);
        System.arraycopy(buffer, all - held, buffer, 0, held);
      }
      int commit = lastIndexOf(buffer, held);
      if (commit < 0) {
        return Optional.empty();
      }
      int after = commit + COMMIT.length;
      List<String> end =
          new String(buffer, after, held - after, StandardCharsets.UTF_8).lines().toList();
      List<String> lifts = end.stream().filter(line -> line.startsWith(UNRESTRICT)).toList();
      if (lifts.size() != 1
          || !end.stream()
              .allMatch(
                  line -> line.isBlank() || line.startsWith("--") || line.startsWith(UNRESTRICT))) {
        return Optional.empty();
      }
      to.write(buffer, 0, commit + 1);
      return Optional.of(lifts.get(0) + "\n");
    } catch (IOException e) {
      from.transferTo(OutputStream.nullOutputStream()); // so that whoever writes comes to an end
      throw e;
    }
  }

  private static int lastIndexOf(byte[] buffer, int length) {
    for (int at = length - COMMIT.length; at >= 0; at--) {
      if (Arrays.equals(buffer, at, at + COMMIT.length, COMMIT, 0, COMMIT.length)) {
        return at;
      }
    }
    return -1;
  }

  /** What {@code psql} reads. Used by one thread after the other. */
  private static final class Script extends FilterOutputStream {
    private volatile boolean broken;
    private final AtomicLong passed = new AtomicLong();

    Script(OutputStream program) {
      super(program);
    }

    void say(String text) throws IOException {
      write(text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      try {
        out.write(bytes, offset, length);
        passed.addAndGet(length);
      } catch (IOException e) {
        broken = true;
        throw e;
      }
    }

    @Override
    public void close() throws IOException {
      try {
        super.close();
      } catch (IOException e) {
        broken = true;
        throw e;
      }
    }
  }
}
