package com.thorbis.backup.cli.story;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** The command as an operator runs it: a process of its own, in a folder with a configuration. */
final class Command {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration LONGEST = Duration.ofMinutes(10);

  private final Path launcher;
  private final Path folder;
  private final Map<String, String> environment;
  private final List<Path> outputs;

  /** By the launcher of this checkout. */
  Command(Path folder, Map<String, String> environment) {
    this(launcher(), folder, environment);
  }

  Command(Path launcher, Path folder, Map<String, String> environment) {
    this(launcher, folder, environment, new ArrayList<>());
  }

  private Command(Path launcher, Path folder, Map<String, String> environment, List<Path> outputs) {
    this.launcher = launcher;
    this.folder = folder;
    this.environment = environment;
    this.outputs = outputs;
  }

  Command with(String name, String value) {
    Map<String, String> more = new HashMap<>(environment);
    more.put(name, value);
    return new Command(launcher, folder, more, outputs);
  }

  /** Everything that any of the processes printed. */
  List<Path> outputs() {
    return List.copyOf(outputs);
  }

  Result run(String... words) throws IOException, InterruptedException {
    Background process = start(words);
    if (!process.process.waitFor(LONGEST.toSeconds(), TimeUnit.SECONDS)) {
      process.kill();
      throw new AssertionError("Still running: " + String.join(" ", words));
    }
    return process.result();
  }

  /** Runs it with {@code --json} and expects success. */
  JsonNode json(String... words) throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(List.of("--json"));
    all.addAll(List.of(words));
    Result result = run(all.toArray(String[]::new));
    if (result.exit() != 0) {
      throw new AssertionError(String.join(" ", all) + " failed: " + result);
    }
    return result.json();
  }

  Background start(String... words) throws IOException {
    List<String> all = new ArrayList<>(List.of(launcher.toString()));
    all.addAll(List.of(words));
    int number = outputs.size();
    Path out = folder.resolve("out-" + number + ".txt");
    Path err = folder.resolve("err-" + number + ".txt");
    outputs.add(out);
    outputs.add(err);
    ProcessBuilder builder =
        new ProcessBuilder(all)
            .directory(folder.toFile())
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().putAll(environment);
    return new Background(String.join(" ", words), builder.start(), out, err);
  }

  private static Path launcher() {
    for (Path place = Path.of("").toAbsolutePath(); place != null; place = place.getParent()) {
      Path launcher = place.resolve("bin/thorbis");
      if (Files.isExecutable(launcher)) {
        return launcher;
      }
    }
    throw new AssertionError("bin/thorbis is not above " + Path.of("").toAbsolutePath());
  }

  /** Waits for what another process brings about. */
  static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + Duration.ofMinutes(2).toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("Did not happen: " + what);
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  record Result(int exit, String out, String err) {
    JsonNode json() throws IOException {
      return JSON.readTree(out);
    }

    String errorCode() throws IOException {
      return json().at("/error/code").asText();
    }
  }

  /** A process that goes on. */
  static final class Background implements AutoCloseable {
    private final String words;
    private final Process process;
    private final Path out;
    private final Path err;

    private Background(String words, Process process, Path out, Path err) {
      this.words = words;
      this.process = process;
      this.out = out;
      this.err = err;
    }

    boolean alive() {
      return process.isAlive();
    }

    long pid() {
      return process.pid();
    }

    /** As a power cut would end it: the launcher becomes the JVM, so this is the JVM. */
    void kill() {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
      process.onExit().join();
    }

    /** As an operator would end it. */
    Result stop() throws IOException, InterruptedException {
      process.destroy();
      if (!process.waitFor(1, TimeUnit.MINUTES)) {
        kill();
        throw new AssertionError("Did not stop when asked: " + words + "\n" + read(err));
      }
      return result();
    }

    Result result() throws IOException {
      return new Result(process.exitValue(), read(out), read(err));
    }

    String err() throws IOException {
      return read(err);
    }

    @Override
    public void close() {
      if (process.isAlive()) {
        kill();
      }
    }

    private static String read(Path file) throws IOException {
      return Files.readString(file, StandardCharsets.UTF_8);
    }
  }
}
