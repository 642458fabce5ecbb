package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What all commits add up to. Safe for several threads. */
public final class Catalog {
  private final Map<String, Source> sources = new LinkedHashMap<>();
  private final Map<BackupId, Entry> backups = new LinkedHashMap<>();
  private final List<Operation.WalMark> walMarks = new ArrayList<>();
  private final List<SlotRef> plainObjects = new ArrayList<>();
  private List<Operation.Copies.Place> copies = List.of();

  /**
   * A source.
   *
   * @param info what everybody may know
   * @param tree its key tree
   */
  public record Source(SourceInfo info, ObjectId tree) {
    /** The incarnation of this id. */
    public Optional<SourceInfo.Incarnation> incarnation(String id) {
      return info.incarnations().stream().filter(life -> life.id().equals(id)).findFirst();
    }
  }

  /**
   * A backup.
   *
   * @param backup what is said of it
   * @param manifest where its manifest lies, and its hash
   */
  public record Entry(StoredBackup backup, SlotRef manifest) {}

  Catalog() {}

  /** Every source. */
  public synchronized List<Source> sources() {
    return List.copyOf(sources.values());
  }

  /** One source. */
  public synchronized Optional<Source> source(String name) {
    return Optional.ofNullable(sources.get(name));
  }

  /** Every backup, oldest first. */
  public synchronized List<Entry> backups() {
    return List.copyOf(backups.values());
  }

  /** One backup. */
  public synchronized Optional<Entry> backup(BackupId id) {
    return Optional.ofNullable(backups.get(id));
  }

  /** How far WAL was stored for certain. */
  public synchronized List<Operation.WalMark> walMarks() {
    return List.copyOf(walMarks);
  }

  /** Header and key slots, which commits vouch for. */
  public synchronized List<SlotRef> plainObjects() {
    return List.copyOf(plainObjects);
  }

  /** The places that hold the repository, the deciding one first; empty if that was never said. */
  public synchronized List<Operation.Copies.Place> copies() {
    return copies;
  }

  /** Folds a commit in. */
  synchronized void apply(Commit commit, ObjectKey key) throws RepositoryException {
    for (Operation operation : commit.operations()) {
      if ((operation instanceof Operation.Init) != (commit.sequence() == 1)) {
        throw damaged(key, "begins the repository in another place than the first commit");
      }
      if (operation instanceof Operation.Init init) {
        plainObjects.add(init.header());
        plainObjects.addAll(init.slots());
      } else if (operation instanceof Operation.Register register) {
        if (sources.containsKey(register.source())) {
          throw damaged(key, "registers a source twice");
        }
        sources.put(
            register.source(),
            new Source(
                new SourceInfo(register.source(), register.type(), List.of(register.incarnation())),
                register.tree()));
        plainObjects.addAll(register.slots());
      } else if (operation instanceof Operation.Adopt adopt) {
        Source source = sources.get(adopt.source());
        if (source == null) {
          throw damaged(key, "adopts into a source that is not registered");
        }
        List<SourceInfo.Incarnation> lives = new ArrayList<>(source.info().incarnations());
        lives.add(adopt.incarnation());
        sources.put(
            adopt.source(),
            new Source(new SourceInfo(adopt.source(), source.info().type(), lives), source.tree()));
      } else if (operation instanceof Operation.Backup made) {
        Source source = sources.get(made.backup().source());
        if (source == null
            || !made.manifest()
                .key()
                .equals(ObjectNames.manifest(source.tree(), made.backup().id()))
            || backups.putIfAbsent(made.backup().id(), new Entry(made.backup(), made.manifest()))
                != null) {
          throw damaged(key, "adds a backup that does not fit what came before");
        }
      } else if (operation instanceof Operation.Complete complete) {
        Entry entry = backups.get(complete.backup());
        if (entry == null) {
          throw damaged(key, "completes a backup that was never made");
        }
        StoredBackup backup = entry.backup();
        if (backup.status() == BackupStatus.AWAITING_WAL) {
          backups.put(
              backup.id(),
              new Entry(
                  backup.with(
                      backup.warnings().isEmpty()
                          ? BackupStatus.COMPLETE
                          : BackupStatus.COMPLETED_WITH_WARNING),
                  entry.manifest()));
        }
      } else if (operation instanceof Operation.Copies places) {
        copies = places.places();
      } else if (operation instanceof Operation.WalMark mark) {
        walMarks.removeIf(
            older ->
                older.source().equals(mark.source())
                    && older.incarnation().equals(mark.incarnation())
                    && older.timeline().equals(mark.timeline()));
        walMarks.add(mark);
      }
    }
  }

  private static RepositoryException damaged(ObjectKey key, String problem) {
    return RepositoryException.damaged(key.value(), problem, null);
  }
}
