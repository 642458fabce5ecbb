package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceChain;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.Sha256;
import com.thorbis.backup.spi.crypto.Signer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** How a report lies in a file: what the names of its parts are, and what its manifest says. */
final class Bundle {
  static final String FORMAT = "thorbis-report/1";
  static final String MANIFEST = "manifest.json";
  static final String SIGNATURE = "manifest.sig";
  static final String RECORDS = "records.jsonl";
  static final String OBSERVED = "observed.json";
  static final String CONTROLS = "controls.json";
  static final String REPORT = "report.json";
  static final String PAGE = "report.html";

  /** Those that a manifest names, in their order. */
  static final List<String> FILES = List.of(RECORDS, OBSERVED, CONTROLS, REPORT, PAGE);

  private static final HexFormat HEX = HexFormat.of();

  private Bundle() {}

  static byte[] write(Report report, Optional<Signer> signer) throws IOException {
    List<Archive.Part> parts = new ArrayList<>();
    parts.add(new Archive.Part(RECORDS, lines(report.chain().records())));
    parts.add(new Archive.Part(OBSERVED, CanonicalJson.encode(report.observed().json())));
    parts.add(new Archive.Part(CONTROLS, CanonicalJson.encode(report.controls().json())));
    parts.add(new Archive.Part(REPORT, report.json()));
    parts.add(new Archive.Part(PAGE, Html.bytes(report.html())));
    byte[] manifest = manifest(report, parts, signer);
    List<Archive.Part> all = new ArrayList<>();
    all.add(new Archive.Part(MANIFEST, manifest));
    if (signer.isPresent()) {
      all.add(new Archive.Part(SIGNATURE, signer.get().sign(manifest)));
    }
    all.addAll(parts);
    return Archive.write(all);
  }

  private static byte[] manifest(Report report, List<Archive.Part> parts, Optional<Signer> signer) {
    Map<String, Object> manifest = new LinkedHashMap<>();
    manifest.put("format", FORMAT);
    manifest.put("repository", report.observed().require("repository"));
    manifest.put("from", report.observed().require("from"));
    manifest.put("to", report.observed().require("to"));
    manifest.put("product", report.observed().require("product"));
    manifest.put("generatedBy", report.observed().require("generatedBy"));
    manifest.put("keepMillis", report.keep().toMillis());
    signer.ifPresent(it -> manifest.put("key", HEX.formatHex(it.publicKey())));
    List<Object> files = new ArrayList<>();
    for (Archive.Part part : parts) {
      files.add(
          Map.of(
              "name", part.name(),
              "bytes", part.content().length,
              "sha256", digest(part.content())));
    }
    manifest.put("files", files);
    manifest.put(
        "records",
        report.chain().records().stream()
            .map(record -> Map.of("id", record.id(), "sha256", record.digest()))
            .toList());
    manifest.put("heads", report.chain().heads().stream().sorted().toList());
    return CanonicalJson.encode(manifest);
  }

  static String digest(byte[] bytes) {
    return Sha256.hex(bytes);
  }

  /** A record in each line: the digest of the line without its end is that of the record. */
  private static byte[] lines(List<EvidenceRecord> records) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (EvidenceRecord record : records) {
      out.writeBytes(record.bytes());
      out.write('\n');
    }
    return out.toByteArray();
  }

  /** What stands in each line. */
  static List<EvidenceChain.Found> found(byte[] lines) {
    List<EvidenceChain.Found> found = new ArrayList<>();
    int begin = 0;
    for (int i = 0; i < lines.length; i++) {
      if (lines[i] == '\n' || i == lines.length - 1) {
        int end = lines[i] == '\n' ? i : i + 1;
        byte[] line = Arrays.copyOfRange(lines, begin, end);
        found.add(new EvidenceChain.Found("line " + (found.size() + 1), line));
        begin = i + 1;
      }
    }
    return found;
  }
}
