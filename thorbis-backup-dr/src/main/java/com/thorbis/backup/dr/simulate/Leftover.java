package com.thorbis.backup.dr.simulate;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The processes and files of an environment's folder, also those whose parents are gone. */
final class Leftover {
  /** The variable in the environment of whatever is started. */
  static final String VARIABLE = "THORBIS_ENVIRONMENT";

  private static final Path PROCESSES = Path.of("/proc");
  private static final List<String> SERVERS = List.of("postgres", "pgbouncer");
  private static final Pattern SOCKETS =
      Pattern.compile("unix_socket_directories=(/tmp/thorbis-[A-Za-z0-9]+)");
  private static final long PATIENCE_MILLIS = 10_000;
  private static final int SHARED_MEMORY_LINE = 6;

  private Leftover() {}

  /** What tells a process of an environment by its own environment. */
  static String mark(Path folder) {
    return VARIABLE + "=" + folder.getFileName();
  }

  /**
   * Those that were started with {@link #mark}, and servers that work below the folder, which have
   * written over theirs.
   */
  static List<ProcessHandle> processes(Path folder) throws IOException {
    List<ProcessHandle> found = new ArrayList<>();
    if (!Files.isDirectory(PROCESSES)) {
      throw new IOException(PROCESSES + " is not there: processes cannot be looked for");
    }
    long self = ProcessHandle.current().pid();
    try (DirectoryStream<Path> all =
        Files.newDirectoryStream(
            PROCESSES, entry -> String.valueOf(entry.getFileName()).matches("[0-9]+"))) {
      for (Path process : all) {
        long pid = Long.parseLong(String.valueOf(process.getFileName()));
        if (pid != self && (marked(process, folder) || serves(process, folder))) {
          ProcessHandle.of(pid).ifPresent(found::add);
        }
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return found;
  }

  private static boolean serves(Path process, Path folder) {
    try {
      Path program = Files.readSymbolicLink(process.resolve("exe")).getFileName();
      return program != null
          && SERVERS.contains(program.toString())
          && Files.readSymbolicLink(process.resolve("cwd")).startsWith(folder);
    } catch (IOException e) {
      return false; // it ended, or is another account's
    }
  }

  private static boolean marked(Path process, Path folder) {
    try {
      return List.of(
              new String(Files.readAllBytes(process.resolve("environ")), StandardCharsets.UTF_8)
                  .split("\0", -1))
          .contains(mark(folder));
    } catch (IOException e) {
      return false; // it ended, or is another account's
    }
  }

  /**
   * The folders that restored servers among them have their sockets in: a socket's path is short,
   * so they lie elsewhere.
   */
  static Set<Path> sockets(Path folder) throws IOException {
    Set<Path> found = new HashSet<>();
    for (ProcessHandle process : processes(folder)) {
      try {
        String words =
            Files.readString(
                PROCESSES.resolve(process.pid() + "").resolve("cmdline"),
                StandardCharsets.ISO_8859_1);
        for (String word : words.split("\0", -1)) {
          Matcher named = SOCKETS.matcher(word);
          if (named.matches()) {
            found.add(Path.of(named.group(1)));
          }
        }
      } catch (IOException e) {
        // It ended.
      }
    }
    return found;
  }

  /**
   * Kills them, removes their sockets, and returns when none is left.
   *
   * @return how many there were
   */
  static int kill(Path folder) throws IOException {
    Set<Path> sockets = sockets(folder);
    List<ProcessHandle> left = processes(folder);
    int found = left.size();
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS);
    while (!left.isEmpty()) {
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "Processes "
                + left.stream().map(ProcessHandle::pid).toList()
                + " of "
                + folder
                + " do not end");
      }
      left.forEach(ProcessHandle::destroyForcibly);
      try {
        TimeUnit.MILLISECONDS.sleep(10);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while processes ended");
      }
      left = processes(folder);
    }
    for (Path each : sockets) {
      remove(each);
    }
    return found;
  }

  /** A server that was killed leaves the memory behind that it locks its folder with. */
  static void freeSharedMemory(Path dataDirectory) {
    try {
      List<String> lines = Files.readAllLines(dataDirectory.resolve("postmaster.pid"));
      if (lines.size() > SHARED_MEMORY_LINE) {
        String[] memory = lines.get(SHARED_MEMORY_LINE).strip().split(" +", -1);
        Programs.run(List.of("ipcrm", "-m", memory[memory.length - 1]));
      }
    } catch (IOException e) {
      return; // it ended in order, or the system has freed it
    }
  }

  /** Removes a folder, and follows no link. */
  static void remove(Path root) throws IOException {
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
              if (e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE;
              }
              throw e;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, @Nullable IOException e)
                throws IOException {
              if (e != null) {
                throw e;
              }
              Files.deleteIfExists(folder);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (NoSuchFileException e) {
      return; // gone already
    }
  }
}
