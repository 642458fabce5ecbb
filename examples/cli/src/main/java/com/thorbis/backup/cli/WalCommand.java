package com.thorbis.backup.cli;

import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.engine.SourceEngine.Hook;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "wal",
    description = "Capture, deliver and show write-ahead log.",
    subcommands = {
      WalCommand.Receive.class,
      WalCommand.Serve.class,
      WalCommand.PrintHook.class,
      WalCommand.Push.class,
      WalGetCommand.class,
      WalCommand.Show.class
    })
final class WalCommand extends Group {
  /** A command about the log of one source. */
  abstract static class OfSource extends Job {
    @Parameters(
        index = "0",
        paramLabel = "SOURCE",
        description = "The source's name in the configuration.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    int ended(String what) {
      thorbis()
          .print(
              Json.object("source", source, "stopped", thorbis().stopped()),
              out -> out.println(what + " of " + source + " has ended"));
      return Exit.DONE;
    }
  }

  @Command(
      name = "receive",
      description = "Stream WAL into the repository until SIGTERM; creates the slot if absent.")
  static final class Receive extends OfSource {
    @Option(
        names = "--synchronous",
        description =
            "Be counted for synchronous_commit: answer for what is durable in a local journal.")
    boolean synchronous;

    @Override
    public Integer call() {
      ReceiveRequest request = new ReceiveRequest(source, synchronous);
      return thorbis()
          .writing(
              opened ->
                  thorbis()
                      .followed(
                          control -> {
                            opened.receiveWal(request, control);
                            return ended("Streaming");
                          }));
    }
  }

  @Command(
      name = "serve",
      description = "Answer archive_command and restore_command of the sources until SIGTERM.")
  static final class Serve extends Job {
    @Parameters(
        index = "0..*",
        arity = "1..*",
        paramLabel = "SOURCE",
        description = "Names of sources in the configuration.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    List<String> sources;

    @Override
    public Integer call() {
      return thorbis()
          .reading(
              opened ->
                  thorbis()
                      .followed(
                          control -> {
                            serve(opened, control);
                            return ended();
                          }));
    }

    /**
     * Each on a thread of its own; one that cannot go on ends the others, and its failure is it.
     */
    private void serve(ThorbisBackup opened, RunControl control) {
      ExecutorService threads = Executors.newFixedThreadPool(sources.size());
      try {
        CompletionService<Boolean> ends = new ExecutorCompletionService<>(threads);
        for (String source : sources) {
          ends.submit(() -> opened.serveWal(source, control), true);
        }
        for (int i = 0; i < sources.size(); i++) {
          ends.take().get();
        }
      } catch (ExecutionException e) {
        if (e.getCause() instanceof RuntimeException failure) {
          throw failure;
        }
        throw new IllegalStateException(e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      } finally {
        control.cancellation().cancel();
        threads.shutdown();
      }
    }

    private int ended() {
      thorbis()
          .print(
              Json.object("sources", sources, "stopped", thorbis().stopped()),
              out -> out.println("Service of " + String.join(", ", sources) + " has ended"));
      return Exit.DONE;
    }
  }

  @Command(name = "hook", description = "Print the exact setting for postgresql.conf.")
  static final class PrintHook extends OfSource {
    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Which which;

    static final class Which {
      @Option(names = "--archive", required = true, description = "archive_command.")
      boolean archive;

      @Option(names = "--restore", required = true, description = "restore_command.")
      boolean restore;
    }

    @Override
    public Integer call() {
      String setting =
          thorbis()
              .reading(
                  opened -> opened.walHook(source, which.archive ? Hook.ARCHIVE : Hook.RESTORE));
      thorbis()
          .print(Json.object("source", source, "setting", setting), out -> out.println(setting));
      return Exit.DONE;
    }
  }

  @Command(name = "push", description = "Store one segment or history file by hand.")
  static final class Push extends OfSource {
    @Parameters(index = "1", paramLabel = "PATH", description = "The file.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path file;

    @Override
    public Integer call() {
      Path path = thorbis().host().folder().resolve(file);
      WalArchive.Stored stored = thorbis().writing(opened -> opened.pushWal(source, path));
      boolean written = stored == WalArchive.Stored.WRITTEN;
      thorbis()
          .print(
              Json.object(
                  "source", source,
                  "name", String.valueOf(path.getFileName()),
                  "written", written),
              out ->
                  out.println(
                      path.getFileName() + (written ? " is stored" : " was stored already")));
      return Exit.DONE;
    }
  }

  @Command(name = "show", description = "Show the stretches of stored WAL, and what is missing.")
  static final class Show extends OfSource {
    @Override
    public Integer call() {
      return thorbis()
          .reading(
              opened -> {
                List<WalRange> ranges = opened.walRanges(source);
                SourceStatus status = opened.status(source);
                thorbis()
                    .print(
                        Json.object(
                            "source", source,
                            "ranges", ranges.stream().map(Facts::range).toList(),
                            "gaps", status.gaps().stream().map(Facts::gap).toList()),
                        out -> Text.table(rows(ranges, status.gaps())).forEach(out::println));
                return Exit.DONE;
              });
    }

    private static List<List<String>> rows(List<WalRange> ranges, List<WalGap> gaps) {
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("", "TIMELINE", "FROM", "TO", "WHY"));
      ranges.forEach(range -> rows.add(row("stored", range, "")));
      gaps.forEach(gap -> rows.add(row("missing", gap.range(), Text.why(gap))));
      return rows;
    }

    private static List<String> row(String what, WalRange range, String why) {
      return List.of(
          what, range.timeline().toString(), range.start().toString(), range.end().toString(), why);
    }
  }
}
