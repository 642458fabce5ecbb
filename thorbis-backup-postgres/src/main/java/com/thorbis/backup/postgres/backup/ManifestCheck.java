package com.thorbis.backup.postgres.backup;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.async.ByteArrayFeeder;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Compares what was received with what the server's manifest says it sent (PostgreSQL 78.1). Takes
 * the manifest as it comes and keeps one line of it.
 */
final class ManifestCheck implements AutoCloseable {
  private static final int LONGEST_LINE = 64 << 10;
  private static final String CHECKSUM_KEY = "\"Manifest-Checksum\"";
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(8)
                  .maxStringLength(LONGEST_LINE)
                  .maxNameLength(100)
                  .maxNumberLength(25)
                  .build())
          .build();

  private final ReceivedFiles files;
  private final long systemId;
  private final MessageDigest sha256;
  private final JsonParser parser;
  private final ByteArrayFeeder feeder;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();

  private int depth;
  private String section = "";
  private @Nullable String path;
  private @Nullable String checksum;
  private String algorithm = "";
  private long size = -1;
  private Optional<String> firstProblem = Optional.empty();
  private String announced = "";
  private boolean checksumLineSeen;

  ManifestCheck(ReceivedFiles files, long systemId) throws IOException {
    this.files = files;
    this.systemId = systemId;
    try {
      this.sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("The Java runtime has no SHA-256", e);
    }
    this.parser = JSON.createNonBlockingByteArrayParser();
    this.feeder = (ByteArrayFeeder) parser.getNonBlockingInputFeeder();
  }

  /** Takes the next bytes. */
  void feed(byte[] bytes, int offset, int length) throws IOException {
    int position = offset;
    int end = offset + length;
    while (position < end) {
      int newline = position;
      while (newline < end && bytes[newline] != '\n') {
        newline++;
      }
      int stop = Math.min(newline + 1, end);
      if (line.size() + stop - position > LONGEST_LINE) {
        throw new ProtocolException("a manifest with an endless line");
      }
      line.write(bytes, position, stop - position);
      position = stop;
      if (bytes[stop - 1] == '\n') {
        line();
      }
    }
  }

  /** The manifest has come; says whether it and what was received agree. */
  void finish() throws IOException {
    if (line.size() > 0) {
      line();
    }
    feeder.endOfInput();
    parse();
    if (depth != 0 || !checksumLineSeen) {
      throw new ProtocolException("a manifest that ends in the middle");
    }
    if (!announced.equals(HexFormat.of().formatHex(sha256.digest()))) {
      throw mismatch("its own checksum is wrong");
    }
    if (firstProblem.isPresent()) {
      throw mismatch(firstProblem.get());
    }
    if (files.left() != 0) {
      throw mismatch(files.left() + " received files are not in it");
    }
  }

  private void line() throws IOException {
    byte[] whole = line.toByteArray();
    line.reset();
    // The checksum covers every byte before the line that holds it.
    if (checksumLineSeen) {
      throw new ProtocolException("a manifest that goes on after its end");
    }
    if (new String(whole, StandardCharsets.UTF_8).startsWith(CHECKSUM_KEY)) {
      checksumLineSeen = true;
    } else {
      sha256.update(whole);
    }
    feeder.feedInput(whole, 0, whole.length);
    parse();
  }

  private void parse() throws IOException {
    try {
      for (JsonToken token = parser.nextToken();
          token != null && token != JsonToken.NOT_AVAILABLE;
          token = parser.nextToken()) {
        token(token);
      }
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new ProtocolException("a manifest that is not JSON: " + e.getOriginalMessage());
    }
  }

  private void token(JsonToken token) throws IOException {
    switch (token) {
      case START_OBJECT -> {
        depth++;
        path = null;
        checksum = null;
        algorithm = "";
        size = -1;
      }
      case START_ARRAY -> depth++;
      case END_OBJECT -> {
        if (depth == 3 && section.equals("Files")) {
          file();
        }
        depth--;
      }
      case END_ARRAY -> depth--;
      case FIELD_NAME -> {
        if (depth == 1) {
          section = parser.currentName();
        }
      }
      default -> value(token);
    }
  }

  private void value(JsonToken token) throws IOException {
    String name = String.valueOf(parser.currentName());
    if (depth == 1) {
      switch (name) {
        case "PostgreSQL-Backup-Manifest-Version" -> {
          long version = token.isNumeric() ? parser.getLongValue() : 0;
          if (version < 1 || version > 2) {
            throw new ProtocolException("a manifest of version " + version);
          }
        }
        case "System-Identifier" -> {
          if (!parser.getText().equals(Long.toUnsignedString(systemId))) {
            throw mismatch("it is of the cluster " + parser.getText());
          }
        }
        case "Manifest-Checksum" -> announced = parser.getText();
        default -> {
          // What later versions add.
        }
      }
    } else if (depth == 3 && section.equals("Files")) {
      switch (name) {
        case "Path" -> path = parser.getText();
        case "Encoded-Path" -> path = decoded(parser.getText());
        case "Size" -> size = token.isNumeric() ? parser.getLongValue() : -1;
        case "Checksum-Algorithm" -> algorithm = parser.getText();
        case "Checksum" -> checksum = parser.getText();
        default -> {
          // The time of the last change is in the archive too.
        }
      }
    }
  }

  private void file() throws ProtocolException {
    if (path == null || checksum == null || size < 0 || !algorithm.equals("CRC32C")) {
      throw new ProtocolException("a manifest entry that says too little");
    }
    byte[] crc;
    try {
      crc = HexFormat.of().parseHex(checksum);
    } catch (IllegalArgumentException e) {
      throw new ProtocolException("a checksum that is none");
    }
    if (crc.length != 4) {
      throw new ProtocolException("a checksum of " + crc.length + " bytes");
    }
    // The server writes it as its processor holds it.
    int little = crc[0] & 0xFF | (crc[1] & 0xFF) << 8 | (crc[2] & 0xFF) << 16 | crc[3] << 24;
    if (!files.take(path, size, little)
        && !files.take(path, size, Integer.reverseBytes(little))
        && firstProblem.isEmpty()) {
      firstProblem = Optional.of("the file " + path + " is missing or other than announced");
    }
  }

  private static String decoded(String hex) throws ProtocolException {
    try {
      return new String(HexFormat.of().parseHex(hex), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw new ProtocolException("an encoded path that is none");
    }
  }

  private static BackupException mismatch(String problem) {
    return BackupException.of(
            "backup.manifest-mismatch",
            FailureKind.TRANSIENT,
            "What was received is not what the server's manifest says: " + problem)
        .remedy("Run the backup again; if it fails again, check network and memory of both hosts.")
        .build();
  }

  @Override
  public void close() throws IOException {
    parser.close();
  }
}
