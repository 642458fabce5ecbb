package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceChain;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.Ed25519;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Whether a bundle is as it was signed, its records are whole, and what it says follows from them.
 * Needs the file alone: no repository, no configuration, no network.
 *
 * @param problems what is wrong; empty if nothing is
 * @param facts what it says of itself; empty if it could not be read so far
 */
public record Verification(List<Problem> problems, Optional<Facts> facts) {
  /** It is not an archive as they are written here. */
  public static final String UNREADABLE = "unreadable";

  /** Its end is not there. */
  public static final String TRUNCATED = "truncated";

  /** Its form is of another version. */
  public static final String UNKNOWN_VERSION = "unknown-version";

  /** Nobody signed it. */
  public static final String UNSIGNED = "unsigned";

  /** Its signature is not that of the key that it names, over its manifest. */
  public static final String WRONGLY_SIGNED = "wrongly-signed";

  /** It is signed, by none of the keys that it should be. */
  public static final String FOREIGN_KEY = "foreign-key";

  /** It is signed, and nobody said by whom it should be. */
  public static final String UNKNOWN_SIGNER = "unknown-signer";

  /** A file is not the one whose digest the manifest has. */
  public static final String ALTERED = "altered";

  /** A file lies under the name of another. */
  public static final String SWAPPED = "swapped";

  /** A file or record that the manifest names is not there. */
  public static final String DROPPED = "dropped";

  /** A file or record is there that the manifest does not name. */
  public static final String ADDED = "added";

  /** Files or records are there in another order. */
  public static final String REORDERED = "reordered";

  /** The archive around its files is not as it was written. */
  public static final String PACKING = "packing";

  /** What the report says does not follow from its records and what was observed. */
  public static final String FIGURES = "figures";

  private static final int LARGEST = 1 << 29;
  private static final HexFormat HEX = HexFormat.of();
  private static final Set<String> MEMBERS =
      Set.of(
          "format",
          "repository",
          "from",
          "to",
          "product",
          "generatedBy",
          "keepMillis",
          "key",
          "files",
          "records",
          "heads");

  /**
   * One thing that is wrong.
   *
   * @param code one of the constants here; of a record, one of those of {@link EvidenceChain} after
   *     {@code record-}
   * @param subject where: a file, a record, or the bundle
   * @param message for people
   */
  public record Problem(String code, String subject, String message) {}

  /**
   * What a bundle says of itself.
   *
   * @param repository the id of what it is about
   * @param from the begin of its period
   * @param to the end of its period, at which it was made
   * @param product what made it
   * @param signedBy the Ed25519 public key whose signature it has, 64 hexadecimal digits; empty if
   *     it has none that holds
   * @param records how many records it has
   * @param verdict what it says of the period, such as {@code met}
   */
  public record Facts(
      String repository,
      Instant from,
      Instant to,
      String product,
      Optional<String> signedBy,
      int records,
      String verdict) {}

  /** Copies the list. */
  public Verification {
    problems = List.copyOf(problems);
  }

  /** Whether nothing is wrong. */
  public boolean sound() {
    return problems.isEmpty();
  }

  /**
   * Checks a bundle.
   *
   * @param file its content
   * @param keys one of these public keys, 64 hexadecimal digits each, must have signed it; empty:
   *     it is a problem that nobody said which
   */
  public static Verification of(byte[] file, Set<String> keys) {
    return new Check(keys).check(file);
  }

  /** What is known while a bundle is looked at. */
  private static final class Check {
    private final Set<String> keys;
    private final List<Problem> problems = new ArrayList<>();

    Check(Set<String> keys) {
      this.keys = keys;
    }

    Verification check(byte[] file) {
      try {
        return new Verification(problems, Optional.of(facts(file)));
      } catch (Archive.Broken e) {
        add(e.truncated() ? TRUNCATED : UNREADABLE, "bundle", String.valueOf(e.getMessage()));
      } catch (IllegalArgumentException | ArithmeticException | DateTimeException e) {
        add(UNREADABLE, Bundle.MANIFEST, "is none: " + e.getMessage());
      }
      return new Verification(problems, Optional.empty());
    }

    private void add(String code, String subject, String message) {
      problems.add(new Problem(code, subject, message));
    }

    private Facts facts(byte[] file) throws Archive.Broken {
      if (file.length > LARGEST) {
        throw new Archive.Broken("is larger than a bundle can be", false);
      }
      List<Archive.Part> parts = Archive.read(file);
      Map<String, byte[]> contents = new LinkedHashMap<>();
      for (Archive.Part part : parts) {
        if (contents.putIfAbsent(part.name(), part.content()) != null) {
          add(ADDED, shown(part.name()), "is there twice");
        }
      }
      byte[] bytes = contents.get(Bundle.MANIFEST);
      if (bytes == null) {
        throw new Archive.Broken("has no " + Bundle.MANIFEST, false);
      }
      Fields manifest = new Fields(CanonicalJson.parse(bytes));
      String format = manifest.require("format");
      if (!format.equals(Bundle.FORMAT)) {
        add(
            UNKNOWN_VERSION,
            Bundle.MANIFEST,
            "is of " + shown(format) + "; this version knows " + Bundle.FORMAT);
        throw new Archive.Broken("is not looked at further", false);
      }
      for (String name : manifest.json().keySet()) {
        if (!MEMBERS.contains(name)) {
          throw new IllegalArgumentException("an unknown member \"" + shown(name) + "\"");
        }
      }
      Optional<String> signedBy = signature(manifest, bytes, contents.get(Bundle.SIGNATURE));
      files(manifest, parts, contents, manifest.text("key").isPresent());
      if (problems.isEmpty()) {
        int differs = Archive.differs(file, parts);
        if (differs >= 0) {
          add(PACKING, "bundle", "is not as it was written at byte " + differs);
        }
      }
      EvidenceChain chain = records(manifest, contents);
      String verdict = report(manifest, contents, chain);
      return new Facts(
          manifest.require("repository"),
          Instant.parse(manifest.require("from")),
          Instant.parse(manifest.require("to")),
          manifest.require("product"),
          signedBy,
          chain.records().size(),
          verdict);
    }

    private Optional<String> signature(Fields manifest, byte[] bytes, byte @Nullable [] signature) {
      Optional<String> key = manifest.text("key");
      if (key.isEmpty()) {
        add(UNSIGNED, "bundle", "is not signed: anybody may have made or changed it");
        return Optional.empty();
      }
      if (signature == null) {
        add(UNSIGNED, "bundle", "has no " + Bundle.SIGNATURE + " any more");
        return Optional.empty();
      }
      if (!key.get().matches("[0-9a-f]{64}")
          || !Ed25519.verifies(HEX.parseHex(key.get()), bytes, signature)) {
        add(WRONGLY_SIGNED, "bundle", "has a signature that is not over it by the key it names");
        return Optional.empty();
      }
      if (keys.isEmpty()) {
        add(
            UNKNOWN_SIGNER,
            "bundle",
            "is signed by " + key.get() + ", and nobody said whose signature it should have");
      } else if (!keys.contains(key.get())) {
        add(FOREIGN_KEY, "bundle", "is signed by another key, " + key.get());
      }
      return key;
    }

    private void files(
        Fields manifest, List<Archive.Part> parts, Map<String, byte[]> contents, boolean signed) {
      List<String> order = new ArrayList<>();
      order.add(Bundle.MANIFEST);
      if (signed) {
        order.add(Bundle.SIGNATURE);
      }
      Map<String, String> named = new LinkedHashMap<>();
      for (Fields each : manifest.objects("files")) {
        named.put(each.require("name"), each.require("sha256"));
      }
      order.addAll(named.keySet());
      named.forEach(
          (name, digest) -> {
            byte[] content = contents.get(name);
            if (content == null) {
              add(DROPPED, shown(name), "is named by the manifest, and not there");
              return;
            }
            String found = Bundle.digest(content);
            Optional<String> other =
                named.entrySet().stream()
                    .filter(it -> it.getValue().equals(found) && !it.getKey().equals(name))
                    .map(Map.Entry::getKey)
                    .findFirst();
            if (found.equals(digest)) {
              return;
            }
            if (other.isPresent()) {
              add(SWAPPED, shown(name), "is " + shown(other.get()) + " under another name");
            } else {
              add(ALTERED, shown(name), "is not as it was when the manifest was made");
            }
          });
      for (String name : Bundle.FILES) {
        if (!named.containsKey(name)) {
          add(DROPPED, name, "is named nowhere, and must be there");
        }
      }
      List<String> there = parts.stream().map(Archive.Part::name).toList();
      for (String name : new TreeSet<>(there)) {
        if (!order.contains(name)) {
          add(ADDED, shown(name), "is there, and not named by the manifest");
        }
      }
      if (there.size() == order.size()
          && !there.equals(order)
          && new HashSet<>(there).equals(new HashSet<>(order))) {
        add(REORDERED, "bundle", "has its files in another order");
      }
    }

    private EvidenceChain records(Fields manifest, Map<String, byte[]> contents) {
      List<EvidenceChain.Found> found =
          Bundle.found(contents.getOrDefault(Bundle.RECORDS, new byte[0]));
      Map<String, String> named = new LinkedHashMap<>(); // id by digest
      for (Fields each : manifest.objects("records")) {
        named.put(each.require("sha256"), each.require("id"));
      }
      List<String> digests = found.stream().map(one -> Bundle.digest(one.bytes())).toList();
      named.forEach(
          (digest, id) -> {
            if (!digests.contains(digest)) {
              add(DROPPED, shown(id), "is named by the manifest, and not there as it was");
            }
          });
      for (int i = 0; i < digests.size(); i++) {
        if (!named.containsKey(digests.get(i))) {
          add(
              ADDED,
              Bundle.RECORDS + " " + found.get(i).place(),
              "is a record that the manifest does not name");
        }
      }
      if (digests.size() == named.size()
          && new HashSet<>(digests).equals(named.keySet())
          && !digests.equals(List.copyOf(named.keySet()))) {
        int at = 0;
        List<String> order = List.copyOf(named.keySet());
        while (digests.get(at).equals(order.get(at))) {
          at++;
        }
        add(
            REORDERED,
            Bundle.RECORDS + " " + found.get(at).place(),
            "stands in the place of record " + shown(String.valueOf(named.get(order.get(at)))));
      }
      EvidenceChain chain =
          EvidenceChain.of(
              manifest.require("repository"),
              found,
              Duration.ofMillis(manifest.number("keepMillis").orElse(0)));
      for (EvidenceChain.Problem problem : chain.problems()) {
        add("record-" + problem.code(), shown(problem.record()), problem.message());
      }
      Set<String> heads = new HashSet<>(manifest.texts("heads"));
      if (!heads.equals(chain.heads())) {
        add(
            DROPPED,
            Bundle.RECORDS,
            "does not end with the records that the manifest names as the last ones");
      }
      return chain;
    }

    /** Works out again what the report says. */
    private String report(Fields manifest, Map<String, byte[]> contents, EvidenceChain chain) {
      Map<String, Fields> files = new HashMap<>();
      for (String name : List.of(Bundle.OBSERVED, Bundle.CONTROLS, Bundle.REPORT)) {
        try {
          files.put(
              name, new Fields(CanonicalJson.parse(contents.getOrDefault(name, new byte[0]))));
        } catch (IllegalArgumentException e) {
          add(UNREADABLE, name, "is not JSON in its one form: " + e.getMessage());
        }
      }
      Fields observed = files.get(Bundle.OBSERVED);
      Fields controls = files.get(Bundle.CONTROLS);
      Fields report = files.get(Bundle.REPORT);
      if (observed == null || controls == null || report == null) {
        return "";
      }
      for (String same : List.of("repository", "from", "to", "product", "generatedBy")) {
        if (!observed.text(same).equals(manifest.text(same))) {
          add(FIGURES, Bundle.OBSERVED, "says another " + same + " than the manifest");
        }
      }
      try {
        Map<String, Object> worked =
            CanonicalJson.copy(Figures.of(observed.json(), chain.records(), controls.json()));
        difference("", worked, report.json())
            .ifPresent(
                where ->
                    add(
                        FIGURES,
                        Bundle.REPORT + (where.isEmpty() ? "" : " " + shown(where)),
                        "does not follow from the records and what was observed"));
      } catch (IllegalArgumentException | ArithmeticException | DateTimeException e) {
        add(FIGURES, Bundle.OBSERVED, "has not what a report follows from: " + e.getMessage());
      }
      return report.text("verdict").orElse("");
    }
  }

  /** Where two values differ first. */
  private static Optional<String> difference(String at, Object one, Object other) {
    if (one.equals(other)) {
      return Optional.empty();
    }
    if (one instanceof Map<?, ?> left && other instanceof Map<?, ?> right) {
      if (left.keySet().equals(right.keySet())) {
        for (Map.Entry<?, ?> each : left.entrySet()) {
          Object value = right.get(each.getKey());
          if (value != null && !value.equals(each.getValue())) {
            return difference(
                at + (at.isEmpty() ? "" : ".") + each.getKey(), each.getValue(), value);
          }
        }
      }
    } else if (one instanceof List<?> left
        && other instanceof List<?> right
        && left.size() == right.size()) {
      for (int i = 0; i < left.size(); i++) {
        if (!left.get(i).equals(right.get(i))) {
          return difference(at + "." + i, left.get(i), right.get(i));
        }
      }
    }
    return Optional.of(at);
  }

  /** A name of anybody's, fit to be shown. */
  private static String shown(String name) {
    String safe = name.replaceAll("[^\\x20-\\x7e]", "?");
    return safe.length() > 120 ? safe.substring(0, 120) + "..." : safe;
  }
}
