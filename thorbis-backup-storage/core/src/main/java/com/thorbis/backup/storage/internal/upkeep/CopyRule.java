package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.CopiesReport.Contents;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.api.CopiesReport.Criterion;
import com.thorbis.backup.api.CopiesReport.Verdict;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * 3-2-1-1-0 as a pure function. What is protected counts as the first copy; another counts when it
 * holds everything and was read back lately. Two places that fail together are one medium. What is
 * only declared is not proven.
 */
final class CopyRule {
  /** The worst first. */
  private static final List<Verdict> BAD = List.of(Verdict.MISSING, Verdict.UNKNOWN, Verdict.MET);

  private CopyRule() {}

  /**
   * The verdicts, each for the backups that it is worst for.
   *
   * @param readBack the names of the copies that were read back lately
   * @param locked the names of the copies that refused to delete what is locked
   * @param letGo which copies let go of a backup, and of how many just those did
   */
  static List<Criterion> judge(
      List<CopyState> copies,
      Set<String> readBack,
      Set<String> locked,
      Map<Set<String>, Integer> letGo) {
    List<Criterion> worst = new ArrayList<>(judge(copies, readBack, locked));
    letGo.forEach(
        (without, backups) -> {
          List<Criterion> there =
              judge(
                  copies.stream().filter(copy -> !without.contains(copy.name())).toList(),
                  readBack,
                  locked);
          for (int i = 0; i < there.size(); i++) {
            Criterion one = there.get(i);
            if (BAD.indexOf(one.verdict()) < BAD.indexOf(worst.get(i).verdict())) {
              worst.set(
                  i,
                  new Criterion(
                      one.name(),
                      one.verdict(),
                      one.reason()
                          + "; so it is for "
                          + backups
                          + (backups == 1 ? " backup" : " backups")
                          + " that "
                          + String.join(", ", without)
                          + " let go of"));
            }
          }
        });
    return worst;
  }

  private static List<Criterion> judge(
      List<CopyState> copies, Set<String> readBack, Set<String> locked) {
    List<CopyState> alive = copies.stream().filter(CopyRule::whole).toList();
    List<CopyState> proven = alive.stream().filter(copy -> readBack.contains(copy.name())).toList();
    List<Criterion> verdicts = new ArrayList<>();
    verdicts.add(
        count(
            "copies",
            3,
            1 + distinct(copies).size(),
            1 + distinct(alive).size(),
            1 + distinct(proven).size(),
            "copies, what is protected being the first"));
    verdicts.add(media(copies, alive, proven));
    verdicts.add(offsite(copies, alive, proven));
    verdicts.add(immutable(copies, locked));
    verdicts.add(zero(copies, proven));
    return verdicts;
  }

  private static boolean whole(CopyState copy) {
    return copy.reachable() && copy.contents().map(Contents::complete).orElse(false);
  }

  private static Criterion count(
      String name, int wanted, int configured, int alive, int proven, String what) {
    if (proven >= wanted) {
      return new Criterion(name, Verdict.MET, proven + " " + what);
    }
    if (configured < wanted) {
      return new Criterion(name, Verdict.MISSING, configured + " of " + wanted + " " + what);
    }
    return alive < wanted
        ? new Criterion(
            name,
            Verdict.MISSING,
            configured
                + " are configured, and only "
                + alive
                + " of "
                + wanted
                + " can be asked and hold everything: "
                + what)
        : new Criterion(
            name,
            Verdict.UNKNOWN,
            alive + " " + what + "; only " + proven + " of them proven by reading back");
  }

  /** Copies in one domain fail together and count once. */
  private static Set<String> distinct(List<CopyState> copies) {
    Set<String> domains = new LinkedHashSet<>();
    copies.forEach(copy -> domains.add(copy.domain().orElse(copy.name())));
    return domains;
  }

  private static Criterion media(
      List<CopyState> copies, List<CopyState> alive, List<CopyState> proven) {
    if (copies.stream().anyMatch(copy -> copy.domain().isEmpty())) {
      return new Criterion(
          "media",
          Verdict.UNKNOWN,
          "the domain of "
              + names(copies.stream().filter(copy -> copy.domain().isEmpty()).toList())
              + " is not declared");
    }
    return count(
        "media",
        2,
        distinct(copies).size(),
        distinct(alive).size(),
        distinct(proven).size(),
        "domains that fail apart");
  }

  private static Criterion offsite(
      List<CopyState> copies, List<CopyState> alive, List<CopyState> proven) {
    Optional<CopyState> good = proven.stream().filter(CopyState::offsite).findFirst();
    if (good.isPresent()) {
      return new Criterion("offsite", Verdict.MET, good.get().name() + " lies elsewhere");
    }
    List<CopyState> declared = copies.stream().filter(CopyState::offsite).toList();
    if (declared.isEmpty()) {
      return new Criterion("offsite", Verdict.MISSING, "no copy is declared to lie elsewhere");
    }
    return alive.stream().anyMatch(CopyState::offsite)
        ? new Criterion("offsite", Verdict.UNKNOWN, names(declared) + " was not read back lately")
        : new Criterion(
            "offsite",
            Verdict.MISSING,
            names(declared) + " cannot be asked or does not hold everything");
  }

  private static Criterion immutable(List<CopyState> copies, Set<String> locked) {
    List<CopyState> proven = copies.stream().filter(copy -> locked.contains(copy.name())).toList();
    if (!proven.isEmpty()) {
      return new Criterion(
          "immutable", Verdict.MET, names(proven) + " refused to delete what is locked");
    }
    List<CopyState> declared = copies.stream().filter(CopyState::immutable).toList();
    return declared.isEmpty()
        ? new Criterion("immutable", Verdict.MISSING, "no copy is declared immutable")
        : new Criterion(
            "immutable",
            Verdict.UNKNOWN,
            names(declared) + " is declared immutable; no refused deletion has proven it");
  }

  private static Criterion zero(List<CopyState> copies, List<CopyState> proven) {
    if (proven.size() == copies.size()) {
      return new Criterion("zero", Verdict.MET, "every copy was read back and found whole");
    }
    List<CopyState> damaged =
        copies.stream()
            .filter(copy -> copy.contents().map(held -> held.differing() > 0).orElse(false))
            .toList();
    if (!damaged.isEmpty()) {
      return new Criterion(
          "zero", Verdict.MISSING, names(damaged) + " has objects of other lengths: heal it");
    }
    return new Criterion(
        "zero",
        Verdict.UNKNOWN,
        names(copies.stream().filter(copy -> !proven.contains(copy)).toList())
            + " was not read back lately and found whole");
  }

  private static String names(List<CopyState> copies) {
    return copies.stream().map(CopyState::name).collect(Collectors.joining(", "));
  }
}
