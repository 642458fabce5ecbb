package com.thorbis.backup.storage.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.CopiesReport.Contents;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.api.CopiesReport.Criterion;
import com.thorbis.backup.api.CopiesReport.Verdict;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class CopyRuleTest {
  @Test
  void everyCopyReadBackMeetsWhatCanBeProven() {
    List<CopyState> copies = List.of(copy("a", "host-a", false), copy("b", "account-b", true));
    assertThat(verdicts(copies, "a", "b"))
        .isEqualTo("copies=met media=met offsite=met immutable=missing zero=met");
  }

  @Test
  void whatWasNotReadBackIsUnknown() {
    List<CopyState> copies = List.of(copy("a", "host-a", false), copy("b", "account-b", true));
    assertThat(verdicts(copies))
        .isEqualTo("copies=unknown media=unknown offsite=unknown immutable=missing zero=unknown");
    assertThat(verdicts(copies, "a"))
        .isEqualTo("copies=unknown media=unknown offsite=unknown immutable=missing zero=unknown");
  }

  @Test
  void whatIsProtectedIsTheFirstCopyAndOneMoreIsTooFew() {
    assertThat(verdicts(List.of(copy("a", "host-a", true)), "a"))
        .isEqualTo("copies=missing media=missing offsite=met immutable=missing zero=met");
  }

  @Test
  void twoPlacesThatFailTogetherCountOnce() {
    List<CopyState> copies = List.of(copy("a", "account", false), copy("b", "account", false));
    assertThat(verdicts(copies, "a", "b"))
        .isEqualTo("copies=missing media=missing offsite=missing immutable=missing zero=met");
  }

  @Test
  void aDomainThatIsNotDeclaredIsNotGuessed() {
    List<CopyState> copies = List.of(copy("a", null, false), copy("b", "account-b", true));
    assertThat(verdicts(copies, "a", "b")).contains("media=unknown");
  }

  @Test
  void aCopyThatCannotBeAskedOrIsBehindDoesNotCount() {
    CopyState down =
        new CopyState(
            "b",
            Optional.empty(),
            Optional.of("account-b"),
            Optional.empty(),
            true,
            false,
            false,
            Optional.of("no answer"),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            0,
            0);
    CopyState behind = with("b", "account-b", true, new Contents(1, 1, 1, 5, 5, 1, 0));
    for (CopyState second : List.of(down, behind)) {
      assertThat(verdicts(List.of(copy("a", "host-a", false), second), "a", "b"))
          .as("%s", second)
          .isEqualTo("copies=missing media=missing offsite=missing immutable=missing zero=unknown");
    }
  }

  @Test
  void immutableIsProvenByARefusalAlone() {
    CopyState locked =
        new CopyState(
            "a",
            Optional.empty(),
            Optional.of("x"),
            Optional.empty(),
            false,
            true,
            true,
            Optional.empty(),
            Optional.of(new Contents(1, 1, 1, 0, 0, 0, 0)),
            Optional.empty(),
            Optional.empty(),
            0,
            0);
    assertThat(verdicts(List.of(locked), "a")).contains("immutable=unknown");
    assertThat(CopyRule.judge(List.of(locked), Set.of(), Set.of("a"), Map.of()))
        .filteredOn(one -> one.name().equals("immutable"))
        .extracting(Criterion::verdict)
        .containsExactly(Verdict.MET);
  }

  @Test
  void aBackupCountsOnlyTheCopiesThatHoldIt() {
    List<CopyState> copies =
        List.of(
            copy("a", "host-a", false), copy("b", "account-b", true), copy("c", "host-c", false));
    Map<Set<String>, Integer> letGo = Map.of(Set.of("a"), 7);
    assertThat(verdicts(copies, letGo, "a", "b", "c"))
        .isEqualTo("copies=met media=met offsite=met immutable=missing zero=met");
    assertThat(verdicts(copies, Map.of(Set.of("a", "c"), 1), "a", "b", "c"))
        .isEqualTo("copies=missing media=missing offsite=met immutable=missing zero=met");
    assertThat(CopyRule.judge(copies, Set.of("a", "b"), Set.of(), letGo))
        .filteredOn(one -> one.name().equals("copies"))
        .singleElement()
        .satisfies(
            one -> {
              assertThat(one.verdict()).isEqualTo(Verdict.UNKNOWN);
              assertThat(one.reason()).endsWith("for 7 backups that a let go of");
            });
    assertThat(verdicts(copies, Map.of(Set.of("b"), 2), "a", "b", "c")).contains("offsite=missing");
  }

  @Test
  void everyVerdictHasAReason() {
    assertThat(CopyRule.judge(List.of(copy("a", null, false)), Set.of(), Set.of(), Map.of()))
        .allSatisfy(one -> assertThat(one.reason()).isNotBlank())
        .extracting(Criterion::name)
        .containsExactly("copies", "media", "offsite", "immutable", "zero");
    assertThat(Arrays.stream(Verdict.values()).map(Verdict::label))
        .containsExactly("met", "missing", "unknown");
  }

  private static String verdicts(List<CopyState> copies, String... readBack) {
    return verdicts(copies, Map.of(), readBack);
  }

  private static String verdicts(
      List<CopyState> copies, Map<Set<String>, Integer> letGo, String... readBack) {
    return CopyRule.judge(copies, Set.of(readBack), Set.of(), letGo).stream()
        .map(one -> one.name() + "=" + one.verdict().label())
        .collect(Collectors.joining(" "));
  }

  private static CopyState copy(String name, String domain, boolean offsite) {
    return with(name, domain, offsite, new Contents(10, 1000, 5, 0, 0, 0, 0));
  }

  private static CopyState with(String name, String domain, boolean offsite, Contents contents) {
    return new CopyState(
        name,
        Optional.of("disk"),
        Optional.ofNullable(domain),
        Optional.empty(),
        offsite,
        false,
        false,
        Optional.empty(),
        Optional.of(contents),
        Optional.empty(),
        Optional.empty(),
        0,
        0);
  }
}
