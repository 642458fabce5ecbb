package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Restores of what must be brought back from an archive tier first. */
class ThawedRestoreTest {
  @TempDir Path folder;

  private final List<String> events = new ArrayList<>();
  private final RunControl watched =
      new RunControl(
          new Cancellation(),
          new Progress() {
            @Override
            public void note(String message) {
              events.add(message);
            }
          });
  private FolderRepository repository;

  @BeforeEach
  void prepare() throws IOException {
    folder = folder.toRealPath();
    repository = Clusters.small(folder);
    for (int segment = 2; segment <= 3; segment++) {
      Files.write(folder.resolve("archive/00000001000000000000000" + segment), new byte[16 << 20]);
    }
    repository.frozen = frozen("backup", 7, Duration.ofHours(12));
    repository.frozenLog = frozen("log", 2, Duration.ofHours(5));
  }

  private Frozen frozen(String name, int objects, Duration time) {
    return new Frozen() {
      @Override
      public Thaw thaw() {
        return new Thaw(objects, (long) objects << 20, 0, time, List.of("glacier"));
      }

      @Override
      public void request(RunControl control) {
        events.add("request " + name);
      }

      @Override
      public void await(RunControl control) {
        boolean startable = Files.exists(folder.resolve("target/global/pg_control"));
        events.add("await " + name + (startable ? " too late" : ""));
        repository.headersFrozen = false;
      }
    };
  }

  private ThawedRestore restore() throws IOException {
    return new ThawedRestore(
        TestSettings.of(folder.resolve("state"), Map.of()),
        repository.sources().get(0),
        repository);
  }

  private RestoreRequest request(RecoveryTarget target) {
    return RestoreRequest.builder("orders", folder.resolve("target")).target(target).build();
  }

  @Test
  void aPlanSaysWhatMustBeBroughtBackAndAsksForNothing() throws IOException {
    RestorePlan plan = restore().plan(request(new RecoveryTarget.Immediate()));
    assertThat(plan.thaw())
        .isEqualTo(new Thaw(9, 9L << 20, 0, Duration.ofHours(12), List.of("glacier")));
    assertThat(plan.notes())
        .anyMatch(
            note ->
                note.contains("9 objects (9 MiB)")
                    && note.contains("glacier")
                    && note.contains("12 hours"));
    assertThat(plan.estimate()).isPresent();
    assertThat(events).isEmpty();
  }

  @Test
  void allIsAskedForAtOnceAndTheLogIsThereBeforeAServerCanStart() throws IOException {
    restore().restore(request(new RecoveryTarget.Immediate()), watched);
    assertThat(events.get(0)).contains("9 objects").contains("asked for now");
    assertThat(events.subList(1, events.size()))
        .containsExactly("request backup", "request log", "await log");
    assertThat(folder.resolve("target/global/pg_control")).exists();
    assertThat(folder.resolve("target/base/5/1259")).hasBinaryContent(new byte[8192]);
  }

  @Test
  void headersOfLogThatMustBeBroughtBackAreAskedForWithEverythingElse() throws IOException {
    repository.headersFrozen = true;
    RestorePlan plan = restore().plan(request(new RecoveryTarget.Latest()));
    assertThat(plan.thaw().objects()).isEqualTo(9);
    assertThat(plan.notes()).anyMatch(note -> note.contains("proven when"));
    assertThat(events).isEmpty();

    restore().restore(request(new RecoveryTarget.Latest()), watched);
    assertThat(events.subList(1, 4)).containsExactly("request log", "request backup", "await log");
    assertThat(folder.resolve("target/global/pg_control")).exists();
  }

  @Test
  void aTargetThatIsRefusedIsRefusedBeforeAnythingIsPaidFor() throws IOException {
    Files.createDirectory(folder.resolve("target"));
    Files.write(folder.resolve("target/mine"), new byte[1]);
    for (boolean headers : new boolean[] {false, true}) {
      repository.headersFrozen = headers;
      assertThatThrownBy(() -> restore().restore(request(new RecoveryTarget.Latest()), watched))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("target");
      assertThat(events).isEmpty();
    }
  }
}
