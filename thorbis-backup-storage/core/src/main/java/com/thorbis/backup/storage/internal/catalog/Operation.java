package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.storage.internal.format.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a commit does. Names and fields are persisted. */
public sealed interface Operation {
  /** The document. */
  Map<String, Object> document();

  /** The repository begins: its header and the slots of its own tree. */
  record Init(SlotRef header, ObjectId tree, List<SlotRef> slots) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("init");
      document.put("header", header.document());
      document.put("tree", tree);
      document.put("slots", SlotRef.documents(slots));
      return document;
    }
  }

  /** A source begins: its tree and first incarnation. */
  record Register(
      String source,
      String type,
      ObjectId tree,
      List<SlotRef> slots,
      SourceInfo.Incarnation incarnation)
      implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("register");
      document.put("source", source);
      document.put("type", type);
      document.put("tree", tree);
      document.put("slots", SlotRef.documents(slots));
      document.put("incarnation", incarnationDocument(incarnation));
      return document;
    }
  }

  /** A source begins another life. */
  record Adopt(String source, SourceInfo.Incarnation incarnation) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("adopt");
      document.put("source", source);
      document.put("incarnation", incarnationDocument(incarnation));
      return document;
    }
  }

  /** A backup exists. */
  record Backup(StoredBackup backup, SlotRef manifest) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("backup");
      document.put("backup", backup.document());
      document.put("manifest", manifest.document());
      return document;
    }
  }

  /** The WAL that a backup awaited is stored. */
  record Complete(BackupId backup) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("complete");
      document.put("backup", backup);
      return document;
    }
  }

  /** The log of a timeline is stored at least up to here. */
  record WalMark(String source, String incarnation, Timeline timeline, Lsn position)
      implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("wal-mark");
      document.put("source", source);
      document.put("incarnation", incarnation);
      document.put("timeline", Integer.toUnsignedLong(timeline.number()));
      document.put("position", position);
      return document;
    }
  }

  /** Which places hold the repository from now on; the first decides who writes. */
  record Copies(List<Place> places) implements Operation {
    /** Copies the list. */
    public Copies {
      places = List.copyOf(places);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("copies");
      document.put("copies", places.stream().map(Place::document).toList());
      return document;
    }

    /**
     * A place.
     *
     * @param id by which it is known again
     * @param name what the writer called it
     */
    public record Place(ObjectId id, String name) {
      private Map<String, Object> document() {
        Map<String, Object> document = Json.object();
        document.put("id", id);
        document.put("name", name);
        return document;
      }
    }

    private static Copies read(Json.Node node) throws RepositoryException {
      List<Place> places = new ArrayList<>();
      for (Json.Node place : node.nodes("copies")) {
        places.add(new Place(place.parse("id", ObjectId::parse), place.text("name")));
      }
      if (places.isEmpty()) {
        throw node.wrong("copies", "names none");
      }
      return new Copies(places);
    }
  }

  /** Takes a document apart. An operation that this version does not know is never passed over. */
  static Operation read(Json.Node node, List<String> copies) throws RepositoryException {
    String name = node.text("op");
    return switch (name) {
      case "init" ->
          new Init(
              SlotRef.read(node.node("header")),
              node.parse("tree", ObjectId::parse),
              readSlots(node));
      case "register" ->
          new Register(
              node.text("source"),
              node.text("type"),
              node.parse("tree", ObjectId::parse),
              readSlots(node),
              readIncarnation(node.node("incarnation")));
      case "adopt" -> new Adopt(node.text("source"), readIncarnation(node.node("incarnation")));
      case "backup" ->
          new Backup(
              StoredBackup.read(node.node("backup"), copies), SlotRef.read(node.node("manifest")));
      case "copies" -> Copies.read(node);
      case "complete" -> new Complete(node.parse("backup", BackupId::new));
      case "wal-mark" ->
          new WalMark(
              node.text("source"),
              node.text("incarnation"),
              timeline(node),
              node.parse("position", Lsn::parse));
      default ->
          throw new RepositoryException(
              "repository.unsupported",
              FailureKind.PERMANENT,
              node.object() + ": the operation \"" + name + "\" is not known to this release",
              Map.of("object", node.object()),
              "Use a release that knows it.",
              null);
    };
  }

  private static Map<String, Object> named(String name) {
    Map<String, Object> document = Json.object();
    document.put("op", name);
    return document;
  }

  private static List<SlotRef> readSlots(Json.Node node) throws RepositoryException {
    List<SlotRef> slots = new ArrayList<>();
    for (Json.Node slot : node.nodes("slots")) {
      slots.add(SlotRef.read(slot));
    }
    return slots;
  }

  private static Map<String, Object> incarnationDocument(SourceInfo.Incarnation incarnation) {
    Map<String, Object> document = Json.object();
    document.put("id", incarnation.id());
    document.put("cluster", StoredBackup.clusterDocument(incarnation.cluster()));
    incarnation
        .fork()
        .ifPresent(
            fork -> {
              Map<String, Object> left = Json.object();
              left.put("parent", fork.parent());
              left.put("timeline", Integer.toUnsignedLong(fork.timeline().number()));
              left.put("position", fork.position());
              document.put("fork", left);
            });
    return document;
  }

  private static SourceInfo.Incarnation readIncarnation(Json.Node node) throws RepositoryException {
    Optional<Json.Node> left = node.optionalNode("fork");
    Optional<SourceInfo.Fork> fork = Optional.empty();
    if (left.isPresent()) {
      fork =
          Optional.of(
              new SourceInfo.Fork(
                  left.get().text("parent"),
                  timeline(left.get()),
                  left.get().parse("position", Lsn::parse)));
    }
    String id = node.text("id");
    if (!id.matches("[0-9a-f]{16}")) {
      throw node.wrong("id", "not 16 hexadecimal digits");
    }
    return new SourceInfo.Incarnation(id, StoredBackup.readCluster(node.node("cluster")), fork);
  }

  private static Timeline timeline(Json.Node node) throws RepositoryException {
    return new Timeline((int) node.number("timeline", 1, 0xFFFFFFFFL));
  }
}
