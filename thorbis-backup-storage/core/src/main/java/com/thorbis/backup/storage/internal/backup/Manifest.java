package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a backup consists of.
 *
 * @param backup what the catalogue says
 * @param facts what the engine said
 * @param run the id of the run that wrote it
 * @param packs every pack that it refers to
 * @param tables the pieces of its file table, in order
 */
record Manifest(
    StoredBackup backup,
    BackupFacts facts,
    String run,
    Map<ObjectId, PackRef> packs,
    List<PieceRef> tables) {
  private static final String FORMAT = "thorbis-manifest";
  private static final int VERSION = 1;

  /** The document. */
  Map<String, Object> document() {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("run", run);
    document.put("backup", backup.document());
    document.put("facts", factsDocument(facts));
    document.put("packs", packs.values().stream().map(PackRef::document).toList());
    document.put("tables", tables.stream().map(Manifest::pieceDocument).toList());
    return document;
  }

  /** Takes a document apart. */
  static Manifest read(Json.Node node, ObjectId repository, List<String> copies)
      throws RepositoryException {
    if (!node.text("format").equals(FORMAT)) {
      throw node.wrong("format", "not " + FORMAT);
    }
    if (node.number("version") != VERSION) {
      throw node.wrong("version", node.number("version") + ", which this version cannot read");
    }
    Map<ObjectId, PackRef> packs = new LinkedHashMap<>();
    for (Json.Node pack : node.nodes("packs")) {
      PackRef ref = PackRef.read(pack, repository);
      if (packs.putIfAbsent(ref.id(), ref) != null) {
        throw pack.wrong("id", "there twice");
      }
    }
    List<PieceRef> tables = new ArrayList<>();
    for (Json.Node table : node.nodes("tables")) {
      tables.add(readPiece(table));
    }
    return new Manifest(
        StoredBackup.read(node.node("backup"), copies),
        readFacts(node.node("facts")),
        node.text("run"),
        packs,
        tables);
  }

  private static Map<String, Object> pieceDocument(PieceRef piece) {
    Map<String, Object> document = Json.object();
    document.put("pack", piece.pack());
    document.put("position", piece.position());
    document.put("stored", piece.storedLength());
    document.put("plain", piece.plainLength());
    document.put("codec", piece.codec());
    document.put("crc", HexFormat.of().toHexDigits(piece.crc()));
    document.put("address", piece.address());
    ByteBuffer fingerprint = ByteBuffer.allocate(Fingerprint.LENGTH);
    piece.fingerprint().write(fingerprint);
    document.put("fingerprint", HexFormat.of().formatHex(fingerprint.array()));
    return document;
  }

  private static PieceRef readPiece(Json.Node node) throws RepositoryException {
    int plain = node.integer("plain", 1, PieceCodec.MAX_PIECE);
    return new PieceRef(
        node.parse("pack", ObjectId::parse),
        node.number("position", 0, 1L << 40),
        node.integer("stored", 1, plain),
        plain,
        (byte) node.integer("codec", 0, 127),
        ByteBuffer.wrap(node.hex("crc", 4)).getInt(),
        Address.read(ByteBuffer.wrap(node.hex("address", Address.LENGTH))),
        Fingerprint.read(ByteBuffer.wrap(node.hex("fingerprint", Fingerprint.LENGTH))));
  }

  private static Map<String, Object> factsDocument(BackupFacts facts) {
    Map<String, Object> document = Json.object();
    facts
        .log()
        .ifPresent(
            stretch -> {
              document.put("startLsn", stretch.start());
              document.put("stopLsn", stretch.end());
              document.put("timeline", Integer.toUnsignedLong(stretch.timeline().number()));
            });
    document.put("startedAt", facts.startedAt());
    document.put("stoppedAt", facts.stoppedAt());
    List<Map<String, Object>> tablespaces = new ArrayList<>();
    for (BackupFacts.Tablespace tablespace : facts.tablespaces()) {
      Map<String, Object> entry = Json.object();
      entry.put("oid", tablespace.oid());
      entry.put("name", tablespace.name());
      entry.put("location", tablespace.location());
      tablespaces.add(entry);
    }
    document.put("tablespaces", tablespaces);
    document.put("attributes", facts.attributes());
    document.put("warnings", facts.warnings());
    return document;
  }

  private static BackupFacts readFacts(Json.Node node) throws RepositoryException {
    List<BackupFacts.Tablespace> tablespaces = new ArrayList<>();
    for (Json.Node entry : node.nodes("tablespaces")) {
      tablespaces.add(
          new BackupFacts.Tablespace(
              entry.number("oid"), entry.text("name"), entry.text("location")));
    }
    Json.Node attributeNode = node.node("attributes");
    Map<String, String> attributes = new LinkedHashMap<>();
    for (String name : attributeNode.names()) {
      attributes.put(name, attributeNode.text(name));
    }
    return new BackupFacts(
        StoredBackup.readLog(node),
        node.instant("startedAt"),
        node.instant("stoppedAt"),
        tablespaces,
        attributes,
        node.texts("warnings"));
  }
}
