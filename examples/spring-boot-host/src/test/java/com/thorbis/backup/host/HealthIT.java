package com.thorbis.backup.host;

import static com.thorbis.backup.host.RunningHost.await;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.crypto.KeystoreKeyProvider;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the service says of a repository that has nothing, or does not answer. No server runs. */
class HealthIT {
  private static final String PASSWORD = "correct horse";

  @TempDir Path folder;

  @BeforeEach
  void makeKey() throws Exception {
    try (SecretValue password = SecretValue.ofText(PASSWORD)) {
      KeystoreKeyProvider.create(folder.resolve("keys.p12"), password, "backup");
    }
  }

  @Test
  void aPlaceWithoutARepositoryIsDown() {
    try (RunningHost host = start("names", "--backup.copies[0].uri=" + folder.toUri())) {
      await("an answer", () -> !host.health().get("status").equals("UNKNOWN"));

      assertThat(host.health()).containsEntry("status", "DOWN");
      assertThat(host.healthDetails()).containsEntry("code", "repository.not-initialised");
      assertThat(host.metric("backup.age")).isNaN();
    }
  }

  @Test
  void aStoreThatCannotBeReachedIsUnknown() {
    try (RunningHost host =
        start(
            "names",
            "--backup.copies[0].uri=s3://nowhere",
            "--backup.copies[0].settings.endpoint=http://127.0.0.1:" + PostgresServer.freePort(),
            "--backup.copies[0].settings.access-key-id=none",
            "--backup.copies[0].settings.secret-access-key=none",
            "--backup.copies[0].settings.retries=0")) {
      await("a failed look", () -> host.healthDetails().containsKey("code"));

      assertThat(host.health()).containsEntry("status", "UNKNOWN");
      assertThat(host.healthDetails()).containsKeys("problem", "remedy", "lookedAt");
    }
  }

  @Test
  void aStoreThatNeverAnswersHoldsUpNeitherRequestsNorTheEnd() {
    CountDownLatch asked = new CountDownLatch(1);
    RunningHost host =
        RunningHost.start(
            "beans",
            arguments(
                "--backup.folder=false",
                "--backup.keystore.file=" + folder.resolve("keys.p12"),
                "--backup.keystore.password=" + PASSWORD,
                "--spring.lifecycle.timeout-per-shutdown-phase=1s"),
            beans -> beans.registerBean("silent", ObjectStore.class, () -> new Silent(asked)));
    await("a look", () -> asked.getCount() == 0);

    assertThat(host.health()).containsEntry("status", "UNKNOWN");

    host.close();
    await(
        "the end of every thread",
        () ->
            Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().startsWith("backup")));
  }

  private RunningHost start(String wiring, String... more) {
    List<String> arguments = arguments(more);
    arguments.add("--backup.recipients[0].uri=keystore://" + folder.resolve("keys.p12"));
    arguments.add("--backup.recipients[0].settings.alias=backup");
    arguments.add("--backup.recipients[0].settings.password=" + PASSWORD);
    return RunningHost.start(wiring, arguments, beans -> {});
  }

  private List<String> arguments(String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--server.port=0",
                "--spring.main.banner-mode=off",
                "--spring.datasource.url=jdbc:postgresql://127.0.0.1:"
                    + PostgresServer.freePort()
                    + "/none",
                "--backup.state-directory=" + folder.resolve("state"),
                "--backup.accept-single-key-risk=true",
                "--backup.schedule=-",
                "--backup.look-every=100ms",
                "--backup.settings.password=none"));
    arguments.addAll(List.of(more));
    return arguments;
  }

  /** Answers nothing before whoever asks is interrupted. */
  private static final class Silent extends ForwardingObjectStore {
    private final CountDownLatch asked;

    private Silent(CountDownLatch asked) {
      this.asked = asked;
    }

    @Override
    protected ObjectStore delegate() throws InterruptedIOException {
      asked.countDown();
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      throw new InterruptedIOException("Nobody answered");
    }

    @Override
    public String describe() {
      return "a silent store";
    }

    @Override
    public void close() {}
  }
}
