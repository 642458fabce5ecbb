package com.thorbis.backup.spi.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.TableName;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ServerlessEngineTest {
  private static final RunControl CONTROL = RunControl.unattended();

  private final Repository untouched =
      (Repository)
          Proxy.newProxyInstance(
              getClass().getClassLoader(),
              new Class<?>[] {Repository.class},
              (proxy, method, arguments) -> {
                throw new AssertionError("Asked the repository for " + method.getName());
              });

  private final ServerlessEngine engine =
      new ServerlessEngine("tokens", "Bring it back with x.", Clock.systemUTC()) {
        @Override
        protected BackupDescriptor take(
            BackupRequest request, Repository repository, RunControl control) {
          throw new IllegalStateException("taken");
        }

        @Override
        public List<CheckItem> check(Repository repository) {
          return List.of();
        }

        @Override
        public void close() {}
      };

  @Test
  void whatNeedsAServerIsRefusedWithTheWayOut() {
    refuses("data directory", () -> engine.plan(restore(), untouched));
    refuses("moment between two backups", () -> engine.restore(restore(), untouched, CONTROL));
    TableRestoreRequest tables =
        TableRestoreRequest.builder(
                "tokens", new RecoveryTarget.Latest(), new TableRestoreRequest.Output(Path.of("x")))
            .table(new TableName("db", "public", "t"))
            .build();
    refuses("table", () -> engine.planTables(tables, untouched));
    refuses("table", () -> engine.restoreTables(tables, untouched, CONTROL));
    refuses("cluster to adopt", () -> engine.adopt(untouched, CONTROL));
    assertThat(engine.grants()).startsWith("-- Source tokens has no server");
    refuses(
        "table to leave out",
        () ->
            engine.backup(
                BackupRequest.builder("tokens").excludeTable("t").build(), untouched, CONTROL));
    refuses("log", () -> engine.walRanges(untouched));
    refuses("log", () -> engine.walHook(SourceEngine.Hook.ARCHIVE));
    refuses("log", () -> engine.pushWal(Path.of("x"), untouched));
    refuses("log", () -> engine.getWal("x", Path.of("x"), untouched));
    refuses("log", () -> engine.serveWal(() -> untouched, CONTROL));
    refuses(
        "log", () -> engine.receiveWal(new ReceiveRequest("tokens", false), untouched, CONTROL));
  }

  private static RestoreRequest restore() {
    return RestoreRequest.builder("tokens", Path.of("/nowhere")).build();
  }

  private static void refuses(String what, ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("source.no-server");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
              assertThat(e.remedy()).isEqualTo("Bring it back with x.");
            })
        .hasMessageContaining("Source tokens has no server")
        .hasMessageContaining(what);
  }

  @ParameterizedTest
  @EnumSource
  void onlyAFullBackupIsTaken(BackupType type) {
    ThrowingCallable backup =
        () -> engine.backup(BackupRequest.builder("tokens").type(type).build(), untouched, CONTROL);
    if (type == BackupType.FULL) {
      assertThatThrownBy(backup).hasMessage("taken");
      return;
    }
    assertThatThrownBy(backup)
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("no " + type.label() + " backup of it")
        .hasMessageContaining("complete in itself");
  }
}
