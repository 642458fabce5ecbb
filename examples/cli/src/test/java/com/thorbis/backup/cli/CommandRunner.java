package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.crypto.spec.SecretKeySpec;

/**
 * Runs the command in this process and keeps what it prints. {@code keystore:target/keys.p12} is
 * there for it: what is derived from a passphrase costs each command half a second.
 */
final class CommandRunner {
  static {
    keystore(Path.of("target", "keys.p12"), "correct horse battery staple".toCharArray());
  }

  private final Path folder;
  private final Map<String, String> environment = new LinkedHashMap<>();
  private String typed = "";
  private boolean terminal;
  private Clock clock = Clock.systemUTC();
  private Optional<Path> launcher = Optional.empty();

  CommandRunner(Path folder) {
    this.folder = folder;
  }

  /** Makes a keystore, unless another process has made it. */
  private static void keystore(Path file, char[] password) {
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, password);
      byte[] key = new byte[32];
      new SecureRandom().nextBytes(key);
      store.setEntry(
          "main",
          new KeyStore.SecretKeyEntry(new SecretKeySpec(key, "AES")),
          new KeyStore.PasswordProtection(password));
      Path made = Files.createTempFile(Path.of("target"), "keys", ".p12"); // for this account alone
      try {
        try (OutputStream out = Files.newOutputStream(made)) {
          store.store(out, password);
        }
        Files.createLink(file, made);
      } catch (FileAlreadyExistsException e) {
        return;
      } finally {
        Files.delete(made);
      }
    } catch (IOException | GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  CommandRunner with(String name, String value) {
    environment.put(name, value);
    return this;
  }

  /** A person sits there and types this. */
  CommandRunner typing(String lines) {
    typed = lines;
    terminal = true;
    return this;
  }

  /** Schedules go by this clock. */
  CommandRunner at(Clock time) {
    clock = time;
    return this;
  }

  CommandRunner launchedBy(Path file) {
    launcher = Optional.of(file);
    return this;
  }

  Result run(String... args) {
    return new Running(args).end();
  }

  /** The same, which has to go well. */
  Result ok(String... args) {
    Result said = run(args);
    assertThat(said.code()).as("%s%n%s%s", String.join(" ", args), said.out(), said.err()).isZero();
    return said;
  }

  /** Runs on, until it is stopped. */
  Running start(String... args) {
    Running running = new Running(args);
    running.inBackground();
    return running;
  }

  Host host() {
    PrintStream nowhere =
        new PrintStream(new ByteArrayOutputStream(), false, StandardCharsets.UTF_8);
    return host(nowhere, nowhere);
  }

  private Host host(PrintStream out, PrintStream err) {
    return new Host(
        environment,
        folder,
        folder.toString(),
        new ByteArrayInputStream(typed.getBytes(StandardCharsets.UTF_8)),
        out,
        err,
        terminal,
        false,
        launcher);
  }

  record Result(int code, String out, String err) {}

  /** One run. */
  final class Running {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final Run run;
    private final FutureTask<Integer> task;

    private Running(String... args) {
      run =
          new Run(
              host(
                  new PrintStream(out, false, StandardCharsets.UTF_8),
                  new PrintStream(err, true, StandardCharsets.UTF_8)),
              new Cancellation(),
              clock);
      task = new FutureTask<>(() -> run.execute(args));
    }

    /** What it printed so far. */
    String err() {
      return err.toString(StandardCharsets.UTF_8);
    }

    /** Waits until it has printed something. */
    void awaits(String text) throws InterruptedException {
      for (int turns = 0; turns < 3000 && !err().contains(text); turns++) {
        Thread.sleep(20);
      }
      assertThat(err()).contains(text);
    }

    /** Stops it as a signal does. */
    Result stop() {
      run.stop();
      return end();
    }

    private void inBackground() {
      new Thread(task, "command").start();
    }

    Result end() {
      task.run(); // nothing if it runs already
      try {
        return new Result(
            task.get(2, TimeUnit.MINUTES),
            out.toString(StandardCharsets.UTF_8),
            err.toString(StandardCharsets.UTF_8));
      } catch (InterruptedException | ExecutionException | TimeoutException e) {
        throw new AssertionError(err.toString(StandardCharsets.UTF_8), e);
      }
    }
  }
}
