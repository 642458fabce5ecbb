package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.Json;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a commit does. Names and fields are persisted. */
public sealed interface Operation {
  /** The document. */
  Map<String, Object> document();

  /**
   * The repository begins: its header and the slots of its own tree.
   *
   * @param at store time; empty in repositories of early builds
   */
  record Init(SlotRef header, ObjectId tree, List<SlotRef> slots, Optional<Instant> at)
      implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("init");
      document.put("header", header.document());
      document.put("tree", tree);
      document.put("slots", SlotRef.documents(slots));
      at.ifPresent(value -> document.put("at", value));
      return document;
    }
  }

  /**
   * A source begins: its tree and first incarnation.
   *
   * @param at store time; empty in repositories of early builds
   */
  record Register(
      String source,
      String type,
      ObjectId tree,
      List<SlotRef> slots,
      SourceInfo.Incarnation incarnation,
      Optional<Instant> at)
      implements Operation {
    Register with(List<SlotRef> found) {
      return new Register(source, type, tree, found, incarnation, at);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("register");
      document.put("source", source);
      document.put("type", type);
      document.put("tree", tree);
      document.put("slots", SlotRef.documents(slots));
      document.put("incarnation", incarnationDocument(incarnation));
      at.ifPresent(value -> document.put("at", value));
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

  /**
   * A backup that replaces an earlier one, sealed anew, takes its place: whoever goes by the order
   * of commits takes it for as old as that one.
   *
   * @param backup the new one
   * @param place the commit that made the first of this content
   */
  record Rekeyed(BackupId backup, long place) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("rekeyed");
      document.put("backup", backup);
      document.put("place", place);
      return document;
    }
  }

  /**
   * Log of a life that was sealed anew lies in a folder of its own from now on. What lies under the
   * same names in the earlier folders of that life is given up; its bytes stay until a sweep after
   * that moment.
   *
   * @param log the folder, 16 hexadecimal digits; nothing lies there when it is first named
   * @param epoch the key under which what is there is sealed, or an earlier one than that
   * @param wal stretches of whole segments
   * @param others history files, summaries and records of missing log
   */
  record Resealed(
      String source,
      String incarnation,
      String log,
      int epoch,
      List<WalRange> wal,
      List<String> others,
      Instant sweepAfter)
      implements Operation {
    /** Copies the lists. */
    public Resealed {
      wal = List.copyOf(wal);
      others = List.copyOf(others);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("resealed");
      document.put("source", source);
      document.put("incarnation", incarnation);
      document.put("log", log);
      document.put("epoch", epoch);
      List<Map<String, Object>> stretches = new ArrayList<>();
      for (WalRange stretch : wal) {
        Map<String, Object> entry = Json.object();
        entry.put("timeline", Integer.toUnsignedLong(stretch.timeline().number()));
        putBounds(entry, stretch);
        stretches.add(entry);
      }
      document.put("wal", stretches);
      document.put("others", others);
      document.put("sweepAfter", sweepAfter);
      return document;
    }

    private static Resealed read(Json.Node node) throws RepositoryException {
      String log = node.text("log");
      if (!log.matches("[0-9a-f]{16}")) {
        throw node.wrong("log", "not 16 hexadecimal digits");
      }
      List<WalRange> wal = new ArrayList<>();
      for (Json.Node stretch : node.nodes("wal")) {
        wal.add(readBounds(Operation.timeline(stretch), stretch));
      }
      return new Resealed(
          node.text("source"),
          node.text("incarnation"),
          log,
          (int) node.number("epoch", 1, Integer.MAX_VALUE),
          wal,
          node.parseAll("others", name -> name),
          node.instant("sweepAfter"));
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

  /**
   * The log of a timeline was stored up to a position.
   *
   * @param from from where on it was without a hole; empty if that was not written down
   */
  record WalMark(
      String source, String incarnation, Timeline timeline, Optional<Lsn> from, Lsn position)
      implements Operation {
    boolean ofSameLine(WalMark other) {
      return source.equals(other.source)
          && incarnation.equals(other.incarnation)
          && timeline.equals(other.timeline);
    }

    /** Whether any of the log from one position to another is said to have been stored. */
    public boolean covers(Lsn start, Lsn end) {
      return from.isPresent() && from.get().compareTo(end) < 0 && start.compareTo(position) < 0;
    }

    /** One mark for both, if they leave no hole between them. */
    Optional<WalMark> joined(WalMark other) {
      if (from.isEmpty()
          || other.from.isEmpty()
          || from.get().compareTo(other.position) > 0
          || other.from.get().compareTo(position) > 0) {
        return Optional.empty();
      }
      return Optional.of(
          new WalMark(
              source,
              incarnation,
              timeline,
              from.get().compareTo(other.from.get()) < 0 ? from : other.from,
              position.compareTo(other.position) > 0 ? position : other.position));
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("wal-mark");
      document.put("source", source);
      document.put("incarnation", incarnation);
      document.put("timeline", Integer.toUnsignedLong(timeline.number()));
      from.ifPresent(value -> document.put("from", value));
      document.put("position", position);
      return document;
    }
  }

  /** Every byte of a backup was opened and is as it was stored. */
  record Verified(BackupId backup, String level, Instant at, Optional<String> copy)
      implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("verified");
      document.put("backup", backup);
      document.put("level", level);
      document.put("at", at);
      copy.ifPresent(value -> document.put("copy", value));
      return document;
    }
  }

  /** A backup must not be deleted, for a reason, until a moment or until it is released. */
  record Hold(BackupId backup, String reason, Instant at, Optional<Instant> until)
      implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("hold");
      document.put("backup", backup);
      document.put("reason", reason);
      document.put("at", at);
      until.ifPresent(value -> document.put("until", value));
      return document;
    }

    /** Whether it still counts. */
    public boolean active(Instant now) {
      return until.isEmpty() || now.isBefore(until.get());
    }
  }

  /** The hold of this reason ends. */
  record Release(BackupId backup, String reason) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("release");
      document.put("backup", backup);
      document.put("reason", reason);
      return document;
    }
  }

  /**
   * Backups are given up. All of their bytes stay until a sweep after {@code sweepAfter}.
   *
   * @param policy digest of the policy that decided
   * @param head the commit that the plan was made from
   * @param at store time
   * @param sweepAfter store time
   */
  record Delete(
      List<BackupId> backups,
      String reason,
      String policy,
      long head,
      Instant at,
      Instant sweepAfter)
      implements Operation {
    /** Copies the list. */
    public Delete {
      backups = List.copyOf(backups);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("delete");
      document.put("backups", backups);
      document.put("reason", reason);
      document.put("policy", policy);
      document.put("head", head);
      document.put("at", at);
      document.put("sweepAfter", sweepAfter);
      return document;
    }

    /** The part that concerns one backup. */
    Delete only(BackupId backup) {
      return new Delete(List.of(backup), reason, policy, head, at, sweepAfter);
    }
  }

  /** Backups come back; only before their sweep began. */
  record Undelete(List<BackupId> backups) implements Operation {
    /** Copies the list. */
    public Undelete {
      backups = List.copyOf(backups);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("undelete");
      document.put("backups", backups);
      return document;
    }
  }

  /**
   * The log of a timeline before a position is given up, but for some stretches; its bytes stay
   * until a sweep after that moment.
   *
   * @param keep what is needed of it all the same, in order
   */
  record WalExpire(
      String source,
      String incarnation,
      Timeline timeline,
      Lsn before,
      List<WalRange> keep,
      Instant sweepAfter)
      implements Operation {
    /** Copies the list. */
    public WalExpire {
      keep = List.copyOf(keep);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("wal-expire");
      document.put("source", source);
      document.putAll(part());
      return document;
    }

    private Map<String, Object> part() {
      Map<String, Object> document = Json.object();
      document.put("incarnation", incarnation);
      document.put("timeline", Integer.toUnsignedLong(timeline.number()));
      document.put("before", before);
      List<Map<String, Object>> stretches = new ArrayList<>();
      for (WalRange stretch : keep) {
        Map<String, Object> entry = Json.object();
        putBounds(entry, stretch);
        stretches.add(entry);
      }
      document.put("keep", stretches);
      document.put("sweepAfter", sweepAfter);
      return document;
    }

    private static WalExpire read(String source, Json.Node node) throws RepositoryException {
      Timeline timeline = Operation.timeline(node);
      List<WalRange> keep = new ArrayList<>();
      for (Json.Node stretch : node.nodes("keep")) {
        keep.add(readBounds(timeline, stretch));
      }
      return new WalExpire(
          source,
          node.text("incarnation"),
          timeline,
          node.parse("before", Lsn::parse),
          keep,
          node.instant("sweepAfter"));
    }

    /** Whether of the same timeline it leaves no more than another. */
    public boolean givesUpAsMuchAs(WalExpire other) {
      return source.equals(other.source)
          && incarnation.equals(other.incarnation)
          && timeline.equals(other.timeline)
          && !other.exceeds(this);
    }

    /** Whether it gives up more, or other, log than one before it of the same timeline did. */
    boolean exceeds(WalExpire earlier) {
      int further = before.compareTo(earlier.before());
      return further > 0 || further == 0 && !keep.equals(earlier.keep());
    }
  }

  /**
   * From here on, what is named is being removed: whoever refers to any of it must not commit.
   * Every name is written down before its bytes go, so that any later run can finish the work.
   *
   * @param sweep its own id; empty if it only marks backups and names nothing
   * @param backups can no longer come back
   * @param wal the log that was given up and is removed now: all of it that no backup needs
   */
  record Sweep(
      String source,
      String sweep,
      List<BackupId> backups,
      List<ObjectId> packs,
      List<BackupId> manifests,
      List<WalExpire> wal)
      implements Operation {
    /** Copies the lists. */
    public Sweep {
      backups = List.copyOf(backups);
      packs = List.copyOf(packs);
      manifests = List.copyOf(manifests);
      wal = List.copyOf(wal);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("sweep");
      document.put("source", source);
      document.put("sweep", sweep);
      document.put("backups", backups);
      document.put("packs", packs);
      document.put("manifests", manifests);
      document.put("wal", wal.stream().map(WalExpire::part).toList());
      return document;
    }
  }

  /** A sweep, of one copy or of all, has removed all that it named. */
  record Swept(String sweep, long objects, long bytes) implements Operation {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("swept");
      document.put("sweep", sweep);
      document.put("objects", objects);
      document.put("bytes", bytes);
      return document;
    }
  }

  /**
   * A copy lets go of backups and log by a retention of its own; they stay on others. Its bytes
   * stay there too until a sweep of that copy after {@code sweepAfter}.
   *
   * @param copy the place's id
   * @param wal the log that it lets go of, as the repository gives it up
   * @param policy digest of the policy that decided
   * @param head the commit that the plan was made from
   * @param at store time
   * @param sweepAfter store time
   */
  record LetGo(
      ObjectId copy,
      String source,
      List<BackupId> backups,
      List<WalExpire> wal,
      String policy,
      long head,
      Instant at,
      Instant sweepAfter)
      implements Operation {
    /** Copies the lists. */
    public LetGo {
      backups = List.copyOf(backups);
      wal = List.copyOf(wal);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("let-go");
      document.put("copy", copy);
      document.put("source", source);
      document.put("backups", backups);
      document.put("wal", wal.stream().map(WalExpire::part).toList());
      document.put("policy", policy);
      document.put("head", head);
      document.put("at", at);
      document.put("sweepAfter", sweepAfter);
      return document;
    }

    /** The part that concerns one backup. */
    /** The same of one backup alone, and of no log. */
    public LetGo only(BackupId backup) {
      return new LetGo(copy, source, List.of(backup), List.of(), policy, head, at, sweepAfter);
    }

    /** The part that concerns log, of which only what goes and when is of use later. */
    static LetGo ofLog(ObjectId copy, WalExpire expiry) {
      return new LetGo(
          copy,
          expiry.source(),
          List.of(),
          List.of(expiry),
          "",
          0,
          expiry.sweepAfter(),
          expiry.sweepAfter());
    }

    private static LetGo read(Json.Node node) throws RepositoryException {
      String source = node.text("source");
      return new LetGo(
          node.parse("copy", ObjectId::parse),
          source,
          readBackups(node, "backups"),
          readLog(source, node),
          node.text("policy"),
          node.number("head", 0, Long.MAX_VALUE),
          node.instant("at"),
          node.instant("sweepAfter"));
    }
  }

  /**
   * From here on, what is named is being removed from one copy, and from no other. {@link Swept}
   * ends it.
   *
   * @param copy the place's id
   * @param sweep its own id; empty if it only marks and names nothing
   * @param backups those that this copy let go of, whose bytes go
   * @param wal the log that this copy let go of and that goes: all of it that no backup needs there
   */
  record SweepCopy(
      ObjectId copy,
      String source,
      String sweep,
      List<BackupId> backups,
      List<ObjectId> packs,
      List<WalExpire> wal)
      implements Operation {
    /** Copies the lists. */
    public SweepCopy {
      backups = List.copyOf(backups);
      packs = List.copyOf(packs);
      wal = List.copyOf(wal);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("sweep-copy");
      document.put("copy", copy);
      document.put("source", source);
      document.put("sweep", sweep);
      document.put("backups", backups);
      document.put("packs", packs);
      document.put("wal", wal.stream().map(WalExpire::part).toList());
      return document;
    }

    private static SweepCopy read(Json.Node node) throws RepositoryException {
      String source = node.text("source");
      return new SweepCopy(
          node.parse("copy", ObjectId::parse),
          source,
          node.text("sweep"),
          readBackups(node, "backups"),
          node.parseAll("packs", ObjectId::parse),
          readLog(source, node));
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

  /**
   * The slots of one epoch of a tree.
   *
   * @param tree the tree
   * @param epoch its number
   * @param slots the only ones that count
   */
  record Wraps(ObjectId tree, int epoch, List<SlotRef> slots) {
    /** Copies the list. */
    public Wraps {
      slots = List.copyOf(slots);
    }

    private Map<String, Object> document() {
      Map<String, Object> document = Json.object();
      document.put("tree", tree);
      document.put("epoch", epoch);
      document.put("slots", SlotRef.documents(slots));
      return document;
    }

    private static List<Wraps> readAll(Json.Node node) throws RepositoryException {
      List<Wraps> epochs = new ArrayList<>();
      for (Json.Node epoch : node.nodes("epochs")) {
        epochs.add(
            new Wraps(
                epoch.parse("tree", ObjectId::parse),
                (int) epoch.number("epoch", 1, Integer.MAX_VALUE),
                SlotRef.readAll(epoch)));
      }
      return epochs;
    }
  }

  /**
   * Trees go on with another key: what is sealed from now on is sealed under it.
   *
   * @param epochs each the one after the last of its tree
   * @param at store time
   */
  record Rotate(List<Wraps> epochs, Instant at) implements Operation {
    /** Copies the list. */
    public Rotate {
      epochs = List.copyOf(epochs);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("rotate");
      document.put("epochs", epochs.stream().map(Wraps::document).toList());
      document.put("at", at);
      return document;
    }
  }

  /**
   * Others may open these epochs from now on. The slots that counted before stay until a sweep
   * after {@code sweepAfter}.
   *
   * @param epochs with all the slots that count for each
   * @param retired those that do not count any more
   * @param sweepAfter store time
   */
  record Rewrap(List<Wraps> epochs, List<ObjectKey> retired, Instant sweepAfter)
      implements Operation {
    /** Copies the lists. */
    public Rewrap {
      epochs = List.copyOf(epochs);
      retired = List.copyOf(retired);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("rewrap");
      document.put("epochs", epochs.stream().map(Wraps::document).toList());
      document.put("retired", retired);
      document.put("sweepAfter", sweepAfter);
      return document;
    }
  }

  /**
   * From here on, these key slots are being removed: no commit may make them count. {@link Swept}
   * ends it.
   *
   * @param sweep its own id
   * @param slots that count for no epoch
   */
  record SweepKeys(String sweep, List<ObjectKey> slots) implements Operation {
    /** Copies the list. */
    public SweepKeys {
      slots = List.copyOf(slots);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("sweep-keys");
      document.put("sweep", sweep);
      document.put("slots", slots);
      return document;
    }
  }

  /**
   * Who may write from now on; nobody: whoever has the keys. Only what these sign counts.
   *
   * @param signed the object that says that writers are named here
   */
  record Writers(SlotRef signed, List<Writer> writers) implements Operation {
    /** Copies the list. */
    public Writers {
      writers = List.copyOf(writers);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("writers");
      document.put("signed", signed.document());
      document.put("writers", writers.stream().map(Writer::document).toList());
      return document;
    }

    /**
     * One that may write.
     *
     * @param name what people call it
     * @param key tells what it signed
     * @param administrator whether it may also change who writes, who opens, and where it all lies
     */
    public record Writer(String name, SigningPublicKey key, boolean administrator) {
      private Map<String, Object> document() {
        Map<String, Object> document = Json.object();
        document.put("name", name);
        document.put("key", HexFormat.of().formatHex(key.encoded()));
        document.put("administrator", administrator ? 1 : 0);
        return document;
      }
    }

    private static Writers read(Json.Node node) throws RepositoryException {
      List<Writer> writers = new ArrayList<>();
      for (Json.Node writer : node.nodes("writers")) {
        writers.add(
            new Writer(
                writer.text("name"),
                writer.parse("key", text -> SigningPublicKey.of(HexFormat.of().parseHex(text))),
                writer.number("administrator", 0, 1) == 1));
      }
      return new Writers(SlotRef.read(node.node("signed")), writers);
    }
  }

  /** What becomes of the keys of a source that is to be erased. */
  sealed interface ErasureStep extends Operation {
    /** The source's tree. */
    ObjectId tree();
  }

  /**
   * A source's keys are to be destroyed. Everything stays as it is until {@link Erased}, which may
   * come from {@code notBefore} on.
   *
   * @param by who asked for it
   * @param reason why
   * @param at store time
   * @param notBefore store time
   */
  record Erase(
      String source, ObjectId tree, String by, String reason, Instant at, Instant notBefore)
      implements ErasureStep {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("erase");
      document.putAll(part());
      return document;
    }

    private Map<String, Object> part() {
      Map<String, Object> document = Json.object();
      document.put("source", source);
      document.put("tree", tree);
      document.put("by", by);
      document.put("reason", reason);
      document.put("at", at);
      document.put("notBefore", notBefore);
      return document;
    }

    private static Erase read(Json.Node node) throws RepositoryException {
      return new Erase(
          node.text("source"),
          node.parse("tree", ObjectId::parse),
          node.text("by"),
          node.text("reason"),
          node.instant("at"),
          node.instant("notBefore"));
    }
  }

  /**
   * They are not to be destroyed after all; only before {@link Erased}.
   *
   * @param at store time
   */
  record Unerase(ObjectId tree, String by, Instant at) implements ErasureStep {
    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("unerase");
      document.put("tree", tree);
      document.put("by", by);
      document.put("at", at);
      return document;
    }
  }

  /**
   * From here on a source's keys are being destroyed: neither it nor anything of it is there any
   * more, and nothing brings it back. {@link EraseEnded} ends it.
   *
   * @param request what was asked for
   * @param by who carries it out
   * @param at store time
   * @param slots of every epoch, those too that counted no more
   * @param unread slots that may be there and could not be read
   * @param recipients whom they were for
   * @param backups those that can never be read again
   */
  record Erased(
      Erase request,
      String by,
      Instant at,
      List<SlotRef> slots,
      List<ObjectKey> unread,
      List<String> recipients,
      List<BackupId> backups)
      implements ErasureStep {
    /** Copies the lists. */
    public Erased {
      slots = List.copyOf(slots);
      unread = List.copyOf(unread);
      recipients = List.copyOf(recipients);
      backups = List.copyOf(backups);
    }

    @Override
    public ObjectId tree() {
      return request.tree();
    }

    /** The source's name. */
    public String source() {
      return request.source();
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("erased");
      document.put("request", request.part());
      document.put("by", by);
      document.put("at", at);
      document.put("slots", SlotRef.documents(slots));
      document.put("unread", unread);
      document.put("recipients", recipients);
      document.put("backups", backups);
      return document;
    }

    private static Erased read(Json.Node node) throws RepositoryException {
      return new Erased(
          Erase.read(node.node("request")),
          node.text("by"),
          node.instant("at"),
          SlotRef.readAll(node),
          node.parseAll("unread", ObjectKey::new),
          node.parseAll("recipients", text -> text),
          readBackups(node, "backups"));
    }
  }

  /**
   * No copy has a slot of the source's any more.
   *
   * @param at store time
   * @param sha256 of the commit that began it, as it is stored
   * @param copies each that was asked, and when
   */
  record EraseEnded(ObjectId tree, Instant at, String sha256, List<Without> copies)
      implements ErasureStep {
    /** Copies the list. */
    public EraseEnded {
      copies = List.copyOf(copies);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("erase-ended");
      document.put("tree", tree);
      document.put("at", at);
      document.put("sha256", sha256);
      document.put("copies", copies.stream().map(Without::document).toList());
      return document;
    }

    /**
     * A place that has none of the slots.
     *
     * @param name what the writer called it
     * @param id by which it is known again; empty in the only one if that has none
     * @param at when it said so, store time
     * @param kept how many of them its store can bring back
     */
    public record Without(String name, Optional<ObjectId> id, Instant at, long kept) {
      private Map<String, Object> document() {
        Map<String, Object> document = Json.object();
        document.put("name", name);
        id.ifPresent(value -> document.put("id", value));
        document.put("at", at);
        document.put("kept", kept);
        return document;
      }

      private static Without read(Json.Node node) throws RepositoryException {
        return new Without(
            node.text("name"),
            node.optionalText("id").isEmpty()
                ? Optional.empty()
                : Optional.of(node.parse("id", ObjectId::parse)),
            node.instant("at"),
            node.number("kept", 0, Long.MAX_VALUE));
      }
    }

    private static EraseEnded read(Json.Node node) throws RepositoryException {
      List<Without> copies = new ArrayList<>();
      for (Json.Node copy : node.nodes("copies")) {
        copies.add(Without.read(copy));
      }
      return new EraseEnded(
          node.parse("tree", ObjectId::parse), node.instant("at"), node.text("sha256"), copies);
    }
  }

  /**
   * This repository is the session of a sealed writer. In the log of a session alone.
   *
   * @param of the repository that it is offered to
   * @param before what the same host has offered earlier, as far as it knows
   */
  record Session(ObjectId of, List<Earlier> before) implements Operation {
    /** Copies the list. */
    public Session {
      before = List.copyOf(before);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("session");
      document.put("of", of);
      document.put("before", before.stream().map(Earlier::document).toList());
      return document;
    }

    /**
     * The last commit of an earlier session that its host knows of.
     *
     * @param ended whether nobody goes on with that session
     */
    public record Earlier(ObjectId session, long sequence, String sha256, boolean ended) {
      private Map<String, Object> document() {
        Map<String, Object> document = Json.object();
        document.put("session", session);
        document.put("sequence", sequence);
        document.put("sha256", sha256);
        document.put("ended", ended ? 1 : 0);
        return document;
      }
    }

    private static Session read(Json.Node node) throws RepositoryException {
      List<Earlier> before = new ArrayList<>();
      for (Json.Node one : node.nodes("before")) {
        before.add(
            new Earlier(
                one.parse("session", ObjectId::parse),
                one.number("sequence", 1, Long.MAX_VALUE),
                one.text("sha256"),
                one.number("ended", 0, 1) == 1));
      }
      return new Session(node.parse("of", ObjectId::parse), before);
    }
  }

  /** The session ends: nobody writes to it any more. In the log of a session alone. */
  record SessionEnd() implements Operation {
    @Override
    public Map<String, Object> document() {
      return named("session-end");
    }
  }

  /**
   * What a sealed writer's session said up to one of its commits is in the repository.
   *
   * @param session whose
   * @param sequence that commit
   * @param sha256 of that commit as stored
   * @param ended whether nobody goes on with that session: what is left of it may be removed
   * @param missing sessions that it says came before, and that nobody finds
   */
  record Taken(
      ObjectId session, long sequence, String sha256, boolean ended, List<ObjectId> missing)
      implements Operation {
    /** Copies the list. */
    public Taken {
      missing = List.copyOf(missing);
    }

    @Override
    public Map<String, Object> document() {
      Map<String, Object> document = named("taken");
      document.put("session", session);
      document.put("sequence", sequence);
      document.put("sha256", sha256);
      document.put("ended", ended ? 1 : 0);
      document.put("missing", missing);
      return document;
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
              SlotRef.readAll(node),
              node.optionalInstant("at"));
      case "register" ->
          new Register(
              node.text("source"),
              node.text("type"),
              node.parse("tree", ObjectId::parse),
              SlotRef.readAll(node),
              readIncarnation(node.node("incarnation")),
              node.optionalInstant("at"));
      case "adopt" -> new Adopt(node.text("source"), readIncarnation(node.node("incarnation")));
      case "backup" ->
          new Backup(
              StoredBackup.read(node.node("backup"), copies), SlotRef.read(node.node("manifest")));
      case "rekeyed" ->
          new Rekeyed(node.parse("backup", BackupId::new), node.number("place", 1, Long.MAX_VALUE));
      case "resealed" -> Resealed.read(node);
      case "copies" -> Copies.read(node);
      case "complete" -> new Complete(node.parse("backup", BackupId::new));
      case "wal-mark" ->
          new WalMark(
              node.text("source"),
              node.text("incarnation"),
              timeline(node),
              node.optionalText("from").isEmpty()
                  ? Optional.empty()
                  : Optional.of(node.parse("from", Lsn::parse)),
              node.parse("position", Lsn::parse));
      case "verified" ->
          new Verified(
              node.parse("backup", BackupId::new),
              node.text("level"),
              node.instant("at"),
              node.optionalText("copy"));
      case "hold" ->
          new Hold(
              node.parse("backup", BackupId::new),
              node.text("reason"),
              node.instant("at"),
              node.optionalInstant("until"));
      case "release" -> new Release(node.parse("backup", BackupId::new), node.text("reason"));
      case "delete" ->
          new Delete(
              readBackups(node, "backups"),
              node.text("reason"),
              node.text("policy"),
              node.number("head", 0, Long.MAX_VALUE),
              node.instant("at"),
              node.instant("sweepAfter"));
      case "undelete" -> new Undelete(readBackups(node, "backups"));
      case "wal-expire" -> WalExpire.read(node.text("source"), node);
      case "sweep" -> readSweep(node);
      case "let-go" -> LetGo.read(node);
      case "sweep-copy" -> SweepCopy.read(node);
      case "rotate" -> new Rotate(Wraps.readAll(node), node.instant("at"));
      case "rewrap" ->
          new Rewrap(
              Wraps.readAll(node),
              node.parseAll("retired", ObjectKey::new),
              node.instant("sweepAfter"));
      case "writers" -> Writers.read(node);
      case "session" -> Session.read(node);
      case "session-end" -> new SessionEnd();
      case "taken" ->
          new Taken(
              node.parse("session", ObjectId::parse),
              node.number("sequence", 0, Long.MAX_VALUE),
              node.text("sha256"),
              node.number("ended", 0, 1) == 1,
              node.parseAll("missing", ObjectId::parse));
      case "sweep-keys" ->
          new SweepKeys(node.text("sweep"), node.parseAll("slots", ObjectKey::new));
      case "erase" -> Erase.read(node);
      case "unerase" ->
          new Unerase(node.parse("tree", ObjectId::parse), node.text("by"), node.instant("at"));
      case "erased" -> Erased.read(node);
      case "erase-ended" -> EraseEnded.read(node);
      case "swept" ->
          new Swept(
              node.text("sweep"),
              node.number("objects", 0, Long.MAX_VALUE),
              node.number("bytes", 0, Long.MAX_VALUE));
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

  private static Sweep readSweep(Json.Node node) throws RepositoryException {
    String source = node.text("source");
    return new Sweep(
        source,
        node.text("sweep"),
        readBackups(node, "backups"),
        node.parseAll("packs", ObjectId::parse),
        readBackups(node, "manifests"),
        readLog(source, node));
  }

  private static List<WalExpire> readLog(String source, Json.Node node) throws RepositoryException {
    List<WalExpire> wal = new ArrayList<>();
    for (Json.Node expiry : node.nodes("wal")) {
      wal.add(WalExpire.read(source, expiry));
    }
    return wal;
  }

  private static List<BackupId> readBackups(Json.Node node, String name)
      throws RepositoryException {
    return node.parseAll(name, BackupId::new);
  }

  private static Map<String, Object> incarnationDocument(SourceInfo.Incarnation incarnation) {
    Map<String, Object> document = Json.object();
    document.put("id", incarnation.id());
    incarnation
        .server()
        .ifPresent(cluster -> document.put("cluster", StoredBackup.clusterDocument(cluster)));
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
    Optional<ClusterIdentity> server = StoredBackup.readServer(node);
    if (server.isEmpty() && fork.isPresent()) {
      throw node.wrong("cluster", "missing, and a fork of it is there");
    }
    return new SourceInfo.Incarnation(id, server, fork);
  }

  private static void putBounds(Map<String, Object> document, WalRange stretch) {
    document.put("from", stretch.start());
    document.put("to", stretch.end());
  }

  private static WalRange readBounds(Timeline timeline, Json.Node node) throws RepositoryException {
    return new WalRange(timeline, node.parse("from", Lsn::parse), node.parse("to", Lsn::parse));
  }

  private static Timeline timeline(Json.Node node) throws RepositoryException {
    return new Timeline((int) node.number("timeline", 1, 0xFFFFFFFFL));
  }
}
