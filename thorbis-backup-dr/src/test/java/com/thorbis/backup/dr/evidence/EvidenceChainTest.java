package com.thorbis.backup.dr.evidence;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.crypto.SigningKey;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What is wrong with records is named by what it is, and what lies does not count. */
class EvidenceChainTest {
  private static final String REPOSITORY = "repo-1";
  private static final Instant BEGIN = Instant.parse("2026-01-02T03:04:05Z");
  private static final SigningKey KEY = SigningKey.generate(new SecureRandom());
  private static final SigningKey OTHER = SigningKey.generate(new SecureRandom());

  private static EvidenceRecord record(String repository, int number, EvidenceRecord... previous) {
    return new EvidenceRecord(
        repository,
        "ev-20260102T030405Z-0000000" + number,
        EvidenceRecord.DRILL,
        BEGIN.plusSeconds(number),
        "ada",
        "host",
        "orders",
        EvidenceRecord.PASSED,
        Map.of("number", number),
        List.of(previous).stream().map(EvidenceRecord::digest).toList(),
        Optional.empty());
  }

  private static EvidenceRecord signed(int number, EvidenceRecord... previous) throws IOException {
    return record(REPOSITORY, number, previous).signed(KEY);
  }

  private static EvidenceRecord with(
      EvidenceRecord one, Map<String, Object> document, EvidenceRecord.Signature signature) {
    return new EvidenceRecord(
        one.repository(),
        one.id(),
        one.kind(),
        one.at(),
        one.actor(),
        one.host(),
        one.subject(),
        one.outcome(),
        document,
        one.previous(),
        Optional.of(signature));
  }

  private static EvidenceChain chain(EvidenceRecord... found) {
    return EvidenceChain.of(
        REPOSITORY,
        List.of(found).stream().map(one -> new EvidenceChain.Found(one.id(), one.bytes())).toList(),
        EvidenceLog.KEEP);
  }

  /** As {@code code number}, of records that are there. */
  private static List<String> problems(EvidenceChain chain) {
    return chain.problems().stream()
        .map(one -> one.code() + " " + one.record().substring(one.record().length() - 1))
        .toList();
  }

  private static List<Object> counting(EvidenceChain chain) {
    return chain.records().stream().map(one -> one.document().get("number")).toList();
  }

  @Test
  void whatIsNotSignedCountsOnlyBeforeSigningBegan() throws IOException {
    EvidenceRecord before = record(REPOSITORY, 1);
    EvidenceRecord first = signed(2, before);
    EvidenceRecord bare = record(REPOSITORY, 3, first);
    EvidenceRecord beside = record(REPOSITORY, 4); // refers to nothing, so as to seem old
    assertThat(chain(before, first).problems()).isEmpty();
    EvidenceChain chain = chain(before, first, bare, beside);
    assertThat(problems(chain)).containsExactlyInAnyOrder("unsigned 3", "unsigned 4");
    assertThat(counting(chain)).containsExactly(1L, 2L);
    assertThat(chain(before, bare).problems())
        .extracting(EvidenceChain.Problem::code)
        .containsExactly("missing"); // nobody signs here
  }

  @Test
  void aSignatureIsOverItsRecordAndByTheKeyThatItNames() throws IOException {
    EvidenceRecord first = signed(1);
    EvidenceRecord second = signed(2, first);
    EvidenceRecord.Signature genuine = second.signature().orElseThrow();
    EvidenceRecord changed = with(second, Map.of("number", 2, "more", true), genuine);
    EvidenceRecord taken = with(second, second.document(), first.signature().orElseThrow());
    EvidenceRecord another =
        with(
            second,
            second.document(),
            new EvidenceRecord.Signature(
                record(REPOSITORY, 2, first).signed(OTHER).signature().orElseThrow().key(),
                genuine.value()));
    assertThat(problems(chain(first, second))).isEmpty();
    for (EvidenceRecord wrong : List.of(changed, taken, another)) {
      EvidenceChain chain = chain(first, wrong);
      assertThat(problems(chain)).containsExactly("wrongly-signed 2");
      assertThat(counting(chain)).containsExactly(1L);
    }
    // That somebody else signed it is right by itself: whose keys count is for others to say.
    assertThat(problems(chain(first, record(REPOSITORY, 2, first).signed(OTHER)))).isEmpty();
  }

  @Test
  void whatIsThereTwiceIsReplayedAndOfTwoUnderOneIdNeitherCounts() throws IOException {
    EvidenceRecord first = signed(1);
    EvidenceRecord second = signed(2, first);
    EvidenceChain twice = chain(first, second, first);
    assertThat(problems(twice)).containsExactly("replayed 1");
    assertThat(twice.problems().get(0).message()).isEqualTo("is there twice");
    assertThat(counting(twice)).containsExactly(1L, 2L);

    EvidenceRecord rival = signed(2);
    EvidenceChain both = chain(first, second, rival);
    assertThat(problems(both)).containsExactly("replayed 2");
    assertThat(both.problems().get(0).message()).isEqualTo("is the id of two records");
    assertThat(counting(both)).containsExactly(1L);
  }

  @Test
  void whatIsOfAnotherRepositoryIsForeignThoughItIsGenuine() throws IOException {
    EvidenceRecord first = signed(1);
    EvidenceRecord foreign = record("repo-2", 2, first).signed(KEY);
    assertThat(foreign.genuine()).isTrue();
    EvidenceChain chain = chain(first, foreign);
    assertThat(problems(chain)).containsExactly("foreign 2");
    assertThat(chain.problems().get(0).message()).isEqualTo("is of repository repo-2");
    assertThat(counting(chain)).containsExactly(1L);
    assertThat(chain.heads()).containsExactly(first.digest());
  }

  @Test
  void whatIsNoRecordIsNamedByItsPlace() throws IOException {
    EvidenceRecord first = signed(1);
    List<EvidenceChain.Found> found = new ArrayList<>();
    found.add(new EvidenceChain.Found("here", first.bytes()));
    byte[] cut = Arrays.copyOf(first.bytes(), first.bytes().length - 1);
    found.add(new EvidenceChain.Found("there", cut));
    EvidenceChain chain = EvidenceChain.of(REPOSITORY, found, Duration.ofDays(1));
    assertThat(chain.problems())
        .extracting(one -> one.code() + " " + one.record())
        .containsExactly("unreadable there");
    assertThat(counting(chain)).containsExactly(1L);
  }
}
