package com.thorbis.backup.dr.point;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.lang.reflect.Proxy;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecoveryPointTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
  private static final BackupId ID = new BackupId("20260102T030405Z-00000001");
  private static final RecoveryPoint.Member DATABASE =
      new RecoveryPoint.Member(
          "orders",
          new BackupId("20260102T030405Z-00000002"),
          BackupType.INCREMENTAL,
          NOW,
          Optional.of(Lsn.parse("1/2A")),
          Optional.of(new Timeline(3)),
          true,
          Map.of());
  private static final RecoveryPoint.Member SHOP =
      new RecoveryPoint.Member(
          "shop-1",
          new BackupId("20260102T030405Z-00000003"),
          BackupType.FULL,
          NOW,
          Optional.empty(),
          Optional.empty(),
          false,
          Map.of("source.commit", "4f1e", "a.b.backup", "x"));

  private static BackupDescriptor backup() {
    return (BackupDescriptor)
        Proxy.newProxyInstance(
            RecoveryPointTest.class.getClassLoader(),
            new Class<?>[] {BackupDescriptor.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "id" -> ID;
                  case "source" -> "all";
                  default -> throw new UnsupportedOperationException(method.getName());
                });
  }

  private static RecoveryPoint read(Map<String, String> attributes) throws RepositoryException {
    return RecoveryPoint.read(backup(), BackupFacts.withoutServer(NOW, NOW, attributes, List.of()));
  }

  @Test
  void whatIsWrittenIsRead() throws RepositoryException {
    Map<String, String> attributes = RecoveryPoint.attributes(List.of(DATABASE, SHOP));
    assertThat(read(attributes)).isEqualTo(new RecoveryPoint(ID, "all", List.of(DATABASE, SHOP)));
    assertThat(attributes)
        .containsEntry("recovery-point.members", "orders,shop-1")
        .containsEntry("recovery-point.orders.position", "1/2A");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "recovery-point.members",
        "recovery-point.orders.backup",
        "recovery-point.orders.type",
        "recovery-point.orders.stopped-at"
      })
  void whatIsMissingIsDamage(String name) {
    Map<String, String> attributes =
        new HashMap<>(RecoveryPoint.attributes(List.of(DATABASE, SHOP)));
    attributes.remove(name);
    assertThatThrownBy(() -> read(attributes))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
  }

  @Test
  void itIsMadeOfOthersAndOfMoreThanOne() {
    assertThatThrownBy(() -> builder().member("a").build())
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("names 1 source");
    assertThatThrownBy(() -> builder().member("a").member("a").build())
        .hasMessageContaining("names 1 source");
    assertThatThrownBy(() -> builder().member("a").member("all").build())
        .hasMessageContaining("names itself");
    assertThatThrownBy(
            () -> builder().member("a").member("b").reconcile("select 1", "c", "").build())
        .hasMessageContaining("c, which is no member");
    assertThatThrownBy(
            () -> builder().member("a").member("b").reconcile("select 1", "b", "srv").build())
        .hasMessageContaining("does not end a folder's name");
  }

  @Test
  void nothingComparedIsNoAgreement() {
    assertThat(new Reconciliation(0, 0, 0, 0, List.of(), 0, List.of()).agrees()).isFalse();
    assertThat(new Reconciliation(2, 1, 1, 0, List.of(), 0, List.of()).agrees()).isTrue();
    assertThat(new Reconciliation(2, 0, 1, 1, List.of("a"), 0, List.of()).agrees()).isFalse();
    assertThat(new Reconciliation(1, 0, 2, 0, List.of(), 1, List.of("b")).agrees()).isFalse();
  }

  @Test
  void anotherRecoveryPointIsNoMember() {
    RecoveryPointEngine inner = builder().member("a").member("b").build();
    RecoveryPointEngine outer =
        RecoveryPointEngine.builder("outer", name -> inner).member("x").member("y").build();
    assertThatThrownBy(outer::members).hasMessageContaining("a recovery point itself");
  }

  private static RecoveryPointEngine.Builder builder() {
    return RecoveryPointEngine.builder(
        "all",
        name -> {
          throw new UnsupportedOperationException(name);
        });
  }
}
