package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Backups are sealed anew by somebody who means it, and what stays is said. */
class RekeyCommandTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: ${env:PASSPHRASE}
      sources:
        orders:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
          user: backup
          retention: short
      retention:
        short: { daily: 7, minimum: 1 }
      prune: { grace: 0s }
      """;
  private static final ClusterIdentity CLUSTER =
      new ClusterIdentity(7, 15, new WalSegmentSize(1 << 20));

  @TempDir Path folder;
  private CommandRunner runner;
  private BackupId backup;

  @BeforeEach
  void init() throws IOException {
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    Files.writeString(
        folder.resolve("thorbis.yaml"), CONFIG.formatted(folder.resolve("repo").toUri()));
    run("init", 0);
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    try (ThorbisBackup opened = Recipients.all(config).build()) {
      Repository repository = opened.repository();
      repository.register("orders", "postgres", CLUSTER);
      WalSegment segment = new WalSegment(new Timeline(1), 1, CLUSTER.segmentSize());
      repository.wal("orders").storeSegment(segment, log(segment), WalMarks.NONE);
      backup = backUp(repository, segment.start());
    }
  }

  private static ByteBuffer log(WalSegment segment) {
    ByteBuffer log = ByteBuffer.allocate(segment.size().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    return log.putShort(0, (short) 0xD110)
        .putShort(2, (short) 0x0002)
        .putInt(4, 1)
        .putLong(8, segment.start().value())
        .putLong(24, CLUSTER.systemId())
        .putInt(32, segment.size().bytes())
        .putInt(36, 8192);
  }

  private static BackupId backUp(Repository repository, Lsn start) throws IOException {
    Instant now = Instant.now();
    byte[] content = {'1', '5', '\n'};
    try (BackupWriter writer =
        repository.begin(
            new BackupStart("orders", BackupType.FULL, Optional.of("before the leak"), now))) {
      StoredFile file =
          new StoredFile(
              StoredFile.Area.DATA, "PG_VERSION", StoredFile.Kind.FILE, content.length, 0600, now);
      try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
        out.write(content, 0, content.length);
        out.finish();
      }
      BackupFacts facts =
          new BackupFacts(
              start.plus(0x28),
              start.plus(0x138),
              new Timeline(1),
              now.minusSeconds(2),
              now.minusSeconds(1),
              List.of(),
              Map.of(),
              List.of());
      return writer.commit(facts, BackupStatus.COMPLETE).id();
    }
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  @Test
  void withoutARotationThereIsNothingToSealUnder() {
    assertThat(run("keys rekey orders --yes", 4).err())
        .contains("orders seals what is new under key 1", "keys rotate");
    assertThat(run("keys rekey orders --plan", 4).err()).contains("keys rotate");
    run("keys rotate", 0);
    assertThat(run("keys rekey orders --before-epoch 3 --yes", 4).err()).contains("keys rotate");
    assertThat(run("keys rekey --before-epoch 2", 2).err()).contains("Name the source");
    assertThat(run("keys rekey orders --before-epoch 1", 2).err()).contains("below 1");
    assertThat(run("keys rekey nobody --plan", 5).err()).contains("nobody");
  }

  @Test
  void whoMeansItSaysSoAndIsToldWhatStays() {
    run("keys rotate", 0);
    assertThat(run("keys rekey orders --plan", 0).out())
        .contains(backup.value(), "1 backups to be written anew under key 2", "about")
        .contains("As much more room is taken", ": 1 segments, ")
        .contains("to be sealed anew under key 2: log of timeline", "from 0/100000 to 0/200000")
        .contains("Commits of the repository stay");
    assertThat(run("keys rekey orders", 4).err())
        .contains("1 backups to be written anew", "nothing was changed", "--yes");
    assertThat(run("list", 0).out()).contains(backup.value());
    runner.typing("yes\n");
    String done = run("keys rekey orders", 0).out();
    assertThat(done)
        .contains("1 backups written anew under key 2")
        .contains("sealed anew under key 2: log of timeline 1")
        .contains("which counts no more; prune may remove the last of it from")
        .containsPattern(backup + " +\\S+ .* yes")
        .contains("1 backups that were given up; prune may remove the last of them from");
    String listed = run("list --json", 0).out();
    assertThat(listed)
        .contains("\"rekeyedFrom\":\"" + backup + "\"", "\"label\":\"before the leak\"")
        .doesNotContain("\"id\":\"" + backup + "\"");
    assertThat(run("keys rekey", 0).out()).contains("no backup that counts");
    assertThat(run("prune --yes", 0).out()).contains("0 backups given up");
    assertThat(run("keys rekey orders --plan", 0).out())
        .doesNotContain("that were given up")
        .contains(": 1 segments, ");
    assertThat(run("verify", 0).code()).isZero();
  }

  @Test
  void scriptsAreToldTheSame() {
    run("keys rotate", 0);
    assertThat(run("keys rekey orders --plan --json", 0).out())
        .startsWith("{\"items\":[{\"source\":\"orders\",\"epoch\":2,\"beforeEpoch\":2,")
        .contains("\"backups\":[{\"backup\":\"" + backup + "\",\"anew\":null,\"bytesRead\":")
        .contains("\"verified\":false}],\"skipped\":[],\"deleted\":[],\"log\":[{")
        .contains("\"state\":\"older\"", "\"segments\":1,\"objects\":1,\"bytes\":")
        .contains("\"from\":\"0/100000\",\"to\":\"0/200000\",\"neededBy\":\"" + backup + "\"")
        .contains("\"expectedUntil\":\"2", "\"problems\":[]}],\"notes\":[\"");
    assertThat(run("keys rekey orders --yes --json", 0).out())
        .contains("\"anew\":\"2", "\"verified\":true", "\"sweepAfter\":\"2")
        .contains("\"state\":\"anew\"", "\"state\":\"given-up\"")
        .contains("\"segments\":1,\"objects\":1,\"bytes\":");
  }
}
