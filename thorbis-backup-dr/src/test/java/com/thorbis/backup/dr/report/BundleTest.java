package com.thorbis.backup.dr.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.evidence.EvidenceChain;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.CanonicalJson;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Test;

class BundleTest {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final Set<String> KEYS = Set.of(PlantedReport.hex(PlantedReport.KEY));

  private static final byte[] BUNDLE = made();

  private static byte[] made() {
    try {
      return PlantedReport.good().report().bundle(Optional.of(PlantedReport.KEY));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] bundle() {
    return BUNDLE.clone();
  }

  private static List<String> codes(byte[] bundle) {
    return Verification.of(bundle, KEYS).problems().stream()
        .map(Verification.Problem::code)
        .distinct()
        .toList();
  }

  private static List<String> subjects(byte[] bundle, String code) {
    return Verification.of(bundle, KEYS).problems().stream()
        .filter(problem -> problem.code().equals(code))
        .map(Verification.Problem::subject)
        .toList();
  }

  private static byte[] changed(UnaryOperator<List<Archive.Part>> change) throws Exception {
    return Archive.write(change.apply(new ArrayList<>(Archive.read(bundle()))));
  }

  private static byte[] replaced(String name, UnaryOperator<byte[]> change) throws Exception {
    return changed(
        parts -> {
          parts.replaceAll(
              part ->
                  part.name().equals(name)
                      ? new Archive.Part(name, change.apply(part.content()))
                      : part);
          return parts;
        });
  }

  /** What one with a key of its own makes of changed files. */
  private static byte[] signedAnew(List<Archive.Part> parts, int seed) {
    List<Archive.Part> signed = new ArrayList<>(parts);
    Map<String, Object> manifest =
        new LinkedHashMap<>(CanonicalJson.parse(part(parts, "manifest.json")));
    manifest.put("key", PlantedReport.hex(PlantedReport.key(seed)));
    List<Object> files = new ArrayList<>();
    for (String name : Bundle.FILES) {
      byte[] content = part(parts, name);
      files.add(Map.of("name", name, "bytes", content.length, "sha256", Bundle.digest(content)));
    }
    manifest.put("files", files);
    byte[] json = CanonicalJson.encode(manifest);
    signed.set(0, new Archive.Part("manifest.json", json));
    signed.set(1, new Archive.Part("manifest.sig", PlantedReport.key(seed).sign(json)));
    return Archive.write(signed);
  }

  private static byte[] part(List<Archive.Part> parts, String name) {
    return parts.stream()
        .filter(part -> part.name().equals(name))
        .findFirst()
        .orElseThrow()
        .content();
  }

  private static List<String> lines(byte[] records) {
    return new ArrayList<>(List.of(new String(records, StandardCharsets.UTF_8).split("\n", -1)));
  }

  private static byte[] joined(List<String> lines) {
    return String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void aBundleIsWholeAndSaysWhatItIs() throws IOException {
    byte[] bundle = bundle();
    Verification verification = Verification.of(bundle, KEYS);
    assertThat(verification.problems()).isEmpty();
    Verification.Facts facts = verification.facts().orElseThrow();
    assertThat(facts.repository()).isEqualTo(PlantedReport.REPOSITORY);
    assertThat(facts.signedBy()).contains(PlantedReport.hex(PlantedReport.KEY));
    assertThat(facts.records()).isEqualTo(6);
    assertThat(facts.verdict()).isEqualTo("met");
    assertThat(bundle).isEqualTo(made());
  }

  @Test
  void everyToolOpensIt() throws IOException {
    List<String> names = new ArrayList<>();
    try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(bundle()))) {
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        names.add(entry.getName());
        zip.readAllBytes(); // checks the sum
      }
    }
    assertThat(names)
        .containsExactly(
            "manifest.json",
            "manifest.sig",
            "records.jsonl",
            "observed.json",
            "controls.json",
            "report.json",
            "report.html");
  }

  @Test
  void aBundleOfTheFirstFormIsReadByEveryLaterVersion() throws Exception {
    byte[] golden;
    try (InputStream in = BundleTest.class.getResourceAsStream("bundle-1.zip")) {
      golden = in.readAllBytes();
    }
    assertThat(Verification.of(golden, KEYS).problems()).isEmpty();
    // What is written now has the same manifest, but for the page, which may change its looks.
    assertThat(withoutPage(part(Archive.read(bundle()), "manifest.json")))
        .isEqualTo(withoutPage(part(Archive.read(golden), "manifest.json")));
    try (InputStream in = BundleTest.class.getResourceAsStream("manifest-1.json")) {
      assertThat(part(Archive.read(golden), "manifest.json")).isEqualTo(in.readAllBytes());
    }
  }

  private static Map<String, Object> withoutPage(byte[] manifest) {
    Map<String, Object> json = new LinkedHashMap<>(CanonicalJson.parse(manifest));
    List<?> files = (List<?>) json.get("files");
    json.put(
        "files", files.stream().filter(one -> !one.toString().contains("report.html")).toList());
    return json;
  }

  @Test
  void everyFlippedByteIsFound() throws IOException {
    byte[] bundle =
        new PlantedReport()
            .expecting(PlantedReport.FROM)
            .report()
            .bundle(Optional.of(PlantedReport.KEY));
    Random random = new Random(4711);
    int step = bundle.length / 70;
    List<Integer> unnoticed = new ArrayList<>();
    for (int at = 0; at < bundle.length; at += RELEASE ? 1 : 1 + random.nextInt(2 * step)) {
      check(bundle, at, 1 << random.nextInt(8), unnoticed);
    }
    for (int at = 0; at < 30; at++) { // the head of the first file, and the end
      check(bundle, at, 1 << random.nextInt(8), unnoticed);
      check(bundle, bundle.length - 1 - at, 1 << random.nextInt(8), unnoticed);
    }
    assertThat(unnoticed).isEmpty();
  }

  private static void check(byte[] bundle, int at, int bit, List<Integer> unnoticed) {
    byte[] flipped = bundle.clone();
    flipped[at] ^= (byte) bit;
    if (Verification.of(flipped, KEYS).sound()) {
      unnoticed.add(at);
    }
  }

  @Test
  void everyTruncationIsFound() throws IOException {
    byte[] bundle = bundle();
    Random random = new Random(7);
    for (int i = 0; i < 200; i++) {
      int length = random.nextInt(bundle.length);
      Verification verification = Verification.of(Arrays.copyOf(bundle, length), KEYS);
      assertThat(verification.sound()).as("cut at %s", length).isFalse();
    }
    assertThat(codes(Arrays.copyOf(bundle, bundle.length - 1))).containsExactly("truncated");
    assertThat(codes(Arrays.copyOf(bundle, bundle.length / 2))).containsExactly("truncated");
    assertThat(codes(new byte[0])).containsExactly("truncated");
    assertThat(codes(Arrays.copyOf(bundle, bundle.length + 1))).containsExactly("packing");
  }

  @Test
  void whatIsNoBundleIsSaidToBeNone() {
    assertThat(
            codes(
                "<!DOCTYPE html><html><body>a page</body></html>".getBytes(StandardCharsets.UTF_8)))
        .containsExactly("unreadable");
    assertThat(codes(Archive.write(List.of(new Archive.Part("a", new byte[9])))))
        .containsExactly("unreadable");
    assertThat(codes(Archive.write(List.of(new Archive.Part("manifest.json", new byte[9])))))
        .containsExactly("unreadable");
  }

  @Test
  void anotherVersionIsNamed() throws Exception {
    byte[] other =
        replaced(
            "manifest.json",
            json ->
                new String(json, StandardCharsets.UTF_8)
                    .replace("thorbis-report/1", "thorbis-report/2")
                    .getBytes(StandardCharsets.UTF_8));
    assertThat(codes(other)).contains("unknown-version");
    assertThat(Verification.of(other, KEYS).problems().get(0).message())
        .contains("thorbis-report/2", "this version knows thorbis-report/1");
  }

  @Test
  void aChangedFileIsNamed() throws Exception {
    for (String name : Bundle.FILES) {
      byte[] bundle =
          replaced(
              name,
              content -> {
                content[content.length / 2] ^= 1;
                return content;
              });
      assertThat(subjects(bundle, "altered")).containsExactly(name);
    }
  }

  @Test
  void aDroppedFileIsNamed() throws Exception {
    for (String name : Bundle.FILES) {
      byte[] bundle =
          changed(
              parts -> {
                parts.removeIf(part -> part.name().equals(name));
                return parts;
              });
      assertThat(subjects(bundle, "dropped")).contains(name);
    }
    assertThat(codes(changed(parts -> parts.subList(1, parts.size()))))
        .containsExactly("unreadable");
    byte[] unsigned =
        changed(
            parts -> {
              parts.remove(1);
              return parts;
            });
    assertThat(codes(unsigned)).containsExactly("unsigned");
  }

  @Test
  void swappedAddedAndReorderedFilesAreNamed() throws Exception {
    byte[] swapped =
        changed(
            parts -> {
              byte[] observed = part(parts, "observed.json");
              byte[] controls = part(parts, "controls.json");
              parts.replaceAll(
                  part ->
                      switch (part.name()) {
                        case "observed.json" -> new Archive.Part("observed.json", controls);
                        case "controls.json" -> new Archive.Part("controls.json", observed);
                        default -> part;
                      });
              return parts;
            });
    assertThat(subjects(swapped, "swapped")).containsExactly("observed.json", "controls.json");
    byte[] added =
        changed(
            parts -> {
              parts.add(new Archive.Part("more.txt", new byte[1]));
              return parts;
            });
    assertThat(subjects(added, "added")).containsExactly("more.txt");
    byte[] twice =
        changed(
            parts -> {
              parts.add(new Archive.Part("report.html", new byte[1]));
              return parts;
            });
    assertThat(subjects(twice, "added")).containsExactly("report.html");
    byte[] reordered =
        changed(
            parts -> {
              Collections.swap(parts, 2, 3);
              return parts;
            });
    assertThat(codes(reordered)).containsExactly("reordered");
  }

  @Test
  void aDroppedRecordIsNamedAlsoWhereTheBundleIsSignedAnew() throws Exception {
    String id = PlantedReport.good().records().get(2).id();
    byte[] bundle =
        replaced(
            "records.jsonl",
            content -> {
              List<String> lines = lines(content);
              lines.remove(2);
              return joined(lines);
            });
    assertThat(codes(bundle)).contains("altered", "dropped", "record-missing");
    assertThat(subjects(bundle, "dropped")).contains(id);

    byte[] anew = signedAnew(Archive.read(bundle), 7); // by whoever has the right key
    assertThat(codes(anew)).contains("dropped", "record-missing").doesNotContain("altered");
  }

  @Test
  void theLastRecordCannotBeDroppedEither() throws Exception {
    byte[] bundle =
        replaced(
            "records.jsonl",
            content -> {
              List<String> lines = lines(content);
              lines.remove(lines.size() - 2);
              return joined(lines);
            });
    assertThat(subjects(signedAnew(Archive.read(bundle), 7), "dropped"))
        .contains(PlantedReport.good().records().get(5).id(), "records.jsonl");
  }

  @Test
  void reorderedAndForeignRecordsAreNamed() throws Exception {
    byte[] reordered =
        replaced(
            "records.jsonl",
            content -> {
              List<String> lines = lines(content);
              Collections.swap(lines, 1, 2);
              return joined(lines);
            });
    assertThat(codes(reordered)).contains("reordered");
    assertThat(subjects(reordered, "reordered")).containsExactly("records.jsonl line 2");

    byte[] forged =
        replaced(
            "records.jsonl",
            content -> {
              List<String> lines = lines(content);
              lines.set(
                  3, lines.get(3).replace("\"outcome\":\"passed\"", "\"outcome\":\"failed\""));
              return joined(lines);
            });
    assertThat(codes(signedAnew(Archive.read(forged), 7)))
        .contains("record-wrongly-signed", "dropped", "added");
  }

  /** By somebody who has the key that signs bundles, and so can name what he likes in it. */
  @Test
  void eachRecordThatDoesNotCountIsNamedByWhatIsWrongWithIt() throws Exception {
    PlantedReport other = PlantedReport.good();
    EvidenceRecord last = other.records().get(other.records().size() - 1);
    EvidenceRecord fresh =
        new EvidenceRecord(
            last.repository(),
            "ev-20260227T000000Z-00000001",
            last.kind(),
            last.at(),
            last.actor(),
            last.host(),
            last.subject(),
            last.outcome(),
            last.document(),
            List.of(last.digest()),
            Optional.empty());
    EvidenceRecord signed = PlantedReport.signed(fresh, PlantedReport.KEY);
    assertThat(withRecord(signed)).containsExactly("figures"); // which no longer follow from it
    assertThat(withRecord(fresh)).containsExactly("record-unsigned");
    assertThat(withRecord(of(fresh, last.repository(), fresh.id(), signed.signature())))
        .containsExactly("figures");
    assertThat(withRecord(of(fresh, last.repository(), fresh.id(), last.signature())))
        .containsExactly("record-wrongly-signed");
    assertThat(withRecord(last)).containsExactly("record-replayed");
    assertThat(
            withRecord(
                PlantedReport.signed(
                    of(fresh, last.repository(), last.id(), Optional.empty()), PlantedReport.KEY)))
        .containsExactlyInAnyOrder("record-replayed", "figures");
    assertThat(
            withRecord(
                PlantedReport.signed(
                    of(fresh, "repo-another", fresh.id(), Optional.empty()), PlantedReport.KEY)))
        .containsExactly("record-foreign");
  }

  private static EvidenceRecord of(
      EvidenceRecord one,
      String repository,
      String id,
      Optional<EvidenceRecord.Signature> signature) {
    return new EvidenceRecord(
        repository,
        id,
        one.kind(),
        one.at(),
        one.actor(),
        one.host(),
        one.subject(),
        one.outcome(),
        one.document(),
        one.previous(),
        signature);
  }

  private static List<String> withRecord(EvidenceRecord more) throws Exception {
    byte[] bundle =
        changed(
            parts -> {
              List<String> lines = lines(part(parts, "records.jsonl"));
              lines.add(lines.size() - 1, new String(more.bytes(), StandardCharsets.UTF_8));
              Map<String, Object> manifest =
                  new LinkedHashMap<>(CanonicalJson.parse(part(parts, "manifest.json")));
              List<Object> named = new ArrayList<>((List<?>) manifest.get("records"));
              named.add(Map.of("id", more.id(), "sha256", more.digest()));
              manifest.put("records", named);
              manifest.put(
                  "heads",
                  EvidenceChain.of(
                          PlantedReport.REPOSITORY, Bundle.found(joined(lines)), EvidenceLog.KEEP)
                      .heads()
                      .stream()
                      .sorted()
                      .toList());
              parts.set(0, new Archive.Part("manifest.json", CanonicalJson.encode(manifest)));
              parts.replaceAll(
                  part ->
                      part.name().equals("records.jsonl")
                          ? new Archive.Part(part.name(), joined(lines))
                          : part);
              return parts;
            });
    return codes(signedAnew(Archive.read(bundle), 7));
  }

  @Test
  void whoseSignatureItIsHasToBeSaid() throws Exception {
    byte[] foreign = signedAnew(Archive.read(bundle()), 8);
    assertThat(codes(foreign)).containsExactly("foreign-key");
    assertThat(Verification.of(bundle(), Set.of()).problems())
        .extracting(Verification.Problem::code)
        .containsExactly("unknown-signer");
    byte[] wrong =
        replaced(
            "manifest.sig",
            signature -> {
              signature[5] ^= 1;
              return signature;
            });
    assertThat(codes(wrong)).containsExactly("wrongly-signed");
    assertThat(codes(PlantedReport.good().report().bundle(Optional.empty())))
        .containsExactly("unsigned");
  }

  @Test
  void aReportThatSaysMoreThanItsRecordsIsFoundAlsoWhereItIsSigned() throws Exception {
    byte[] better =
        replaced(
            "report.json",
            json ->
                new String(json, StandardCharsets.UTF_8)
                    .replaceFirst("\"late\":0", "\"late\":1")
                    .getBytes(StandardCharsets.UTF_8));
    byte[] anew = signedAnew(Archive.read(better), 7);
    assertThat(codes(anew)).containsExactly("figures");
    assertThat(subjects(anew, "figures").get(0)).startsWith("report.json expected.");
  }

  @Test
  void recordsThatDoNotCountInTheRepositoryMakeNoWholeBundle() throws IOException {
    PlantedReport planted = PlantedReport.good();
    EvidenceRecord removed = planted.records().remove(3);
    byte[] bundle =
        planted
            .observe(
                "evidenceProblems",
                List.of(
                    Map.of(
                        "code", "missing", "record", removed.digest(), "message", "is not there")))
            .report()
            .bundle(Optional.of(PlantedReport.KEY));
    assertThat(codes(bundle)).containsExactly("record-missing");
  }
}
