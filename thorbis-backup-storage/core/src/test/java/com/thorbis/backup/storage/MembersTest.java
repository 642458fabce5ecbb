package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A backup that is nothing without others keeps them for as long as it is there. */
class MembersTest {
  private static final String FILES = "files";
  private static final String POINTS = "points";
  private static final Duration DAY = Duration.ofDays(1);
  private static final RetentionPolicy ONE =
      RetentionPolicy.builder().daily(1).minimum(1).mostDeletedPercent(100).build();

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 3);
  private int machines;

  private Site create() throws IOException {
    Site site = Site.create(store, states.resolve("m" + ++machines), clock);
    site.repository.register(FILES, "files");
    site.repository.register(POINTS, "recovery-point");
    return site;
  }

  /** Another process, which reads a checkpoint if there is one. */
  private Site again() throws IOException {
    return Site.open(store, states.resolve("m" + ++machines), clock, 2, 1000);
  }

  private BackupId files(Site site, int content) throws IOException {
    clock.advance(DAY);
    try (BackupWriter writer =
        site.repository.begin(
            new BackupStart(FILES, BackupType.FULL, Optional.empty(), clock.instant()))) {
      TestRepository.write(writer, "file", new byte[] {(byte) content});
      return writer.commit(facts(), BackupStatus.COMPLETE).id();
    }
  }

  private BackupWriter beginPoint(Site site, BackupId... members) throws IOException {
    return site.repository.begin(
        new BackupStart(
            POINTS,
            BackupType.FULL,
            Optional.empty(),
            Optional.empty(),
            clock.instant(),
            false,
            List.of(members)));
  }

  private BackupId point(Site site, BackupId... members) throws IOException {
    clock.advance(DAY);
    try (BackupWriter writer = beginPoint(site, members)) {
      return writer.commit(facts(), BackupStatus.COMPLETE).id();
    }
  }

  private BackupFacts facts() {
    return BackupFacts.withoutServer(
        clock.instant().minusSeconds(1), clock.instant(), Map.of("a", "b"), List.of());
  }

  private void prune(Site site, String source) throws IOException {
    clock.advance(DAY);
    assertThat(
            site.repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .isEmpty();
    site.repository.prune(
        PruneRequest.builder(source, ONE).grace(Duration.ZERO).build(), RunControl.unattended());
    clock.advance(DAY);
    site.repository.prune(
        PruneRequest.builder(source, ONE).grace(Duration.ZERO).build(), RunControl.unattended());
  }

  private static List<BackupId> live(Site site, String source) {
    return site.repository.backups(Optional.of(source)).stream().map(BackupDescriptor::id).toList();
  }

  private static List<BackupState.Hold> holds(Site site, BackupId id) throws IOException {
    return site.repository.states(Optional.empty()).stream()
        .filter(state -> state.backup().id().equals(id))
        .findFirst()
        .orElseThrow()
        .holds();
  }

  @Test
  void membersStayAsLongAsItDoesAndNotLonger() throws IOException {
    BackupId member;
    BackupId first;
    try (Site site = create()) {
      member = files(site, 1);
      first = point(site, member);
      BackupId second = files(site, 2);
      prune(site, FILES);
      assertThat(live(site, FILES)).containsExactly(member, second);
      assertThat(site.repository.members(first))
          .extracting(BackupDescriptor::id)
          .containsExactly(member);
    }
    try (Site site = again()) {
      assertThat(holds(site, member))
          .extracting(BackupState.Hold::reason)
          .containsExactly("member of " + first);
      BackupId last = files(site, 3);
      BackupId next = point(site, last);
      prune(site, POINTS);
      assertThat(live(site, POINTS)).containsExactly(next);
      assertThat(holds(site, member)).isEmpty();
      assertThat(site.repository.members(first)).isEmpty();
      prune(site, FILES);
      assertThat(live(site, FILES)).containsExactly(last);
      site.requireAllWhole();
    }
  }

  @Test
  void oneOfWhichAMemberWentMeanwhileIsRefused() throws IOException {
    try (Site site = create()) {
      BackupId member = files(site, 1);
      files(site, 2);
      prune(site, FILES);
      try (BackupWriter writer = beginPoint(site, member)) {
        assertThatThrownBy(() -> writer.commit(facts(), BackupStatus.COMPLETE))
            .isInstanceOfSatisfying(
                RepositoryException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("backup.member-gone");
                  assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
                });
      }
      assertThat(live(site, POINTS)).isEmpty();
    }
  }

  @Test
  void aMemberThatIsSealedAnewStaysOneAndSoDoThoseOfAPointThatIs() throws IOException {
    try (Site site = create()) {
      BackupId member = files(site, 1);
      BackupId old = point(site, member);
      site.repository.rotateKeys(RotateRequest.all());
      site.repository.rekey(RekeyRequest.of(FILES), RunControl.unattended());
      BackupId anew = live(site, FILES).get(0);
      assertThat(anew).isNotEqualTo(member);
      assertThat(site.repository.members(old))
          .extracting(BackupDescriptor::id)
          .containsExactly(anew);

      site.repository.rekey(RekeyRequest.of(POINTS), RunControl.unattended());
      BackupId moved = live(site, POINTS).get(0);
      assertThat(moved).isNotEqualTo(old);
      assertThat(site.repository.members(moved))
          .extracting(BackupDescriptor::id)
          .containsExactly(anew);
      clock.advance(Duration.ofDays(40));
      files(site, 2);
      point(site, live(site, FILES).get(1));
      prune(site, FILES);
      prune(site, POINTS); // the old names, and the point, go
      prune(site, FILES);
      assertThat(live(site, FILES)).doesNotContain(anew).hasSize(1);
    }
  }

  @Test
  void whereTheSourceOfAPointIsErasedItsMembersAreFree() throws IOException {
    try (Site site = create()) {
      BackupId member = files(site, 1);
      point(site, member);
      clock.advance(DAY);
      assertThatThrownBy(() -> erase(site, FILES))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.code()).isEqualTo("erase.held"));
      erase(site, POINTS);
      erase(site, POINTS);
      assertThat(site.repository.source(POINTS)).isEmpty();
      assertThat(holds(site, member)).isEmpty();
    }
  }

  private static void erase(Site site, String source) throws IOException {
    site.repository.erase(
        new EraseRequest(source, "ann", Optional.of("no longer needed"), Duration.ZERO),
        RunControl.unattended());
  }
}
