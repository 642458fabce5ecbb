package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Says who may write to a repository, and changes it. */
public final class WriterChanges {
  private static final int MOST = 256;
  private static final int MOST_NAME = 63;
  private static final int MOST_MARKER = 4096;

  private final RepositoryHeader header;
  private final ObjectStore store;
  private final CommitLog log;
  private final Optional<Signer> signer;

  /** Over an opened repository. */
  public WriterChanges(Bootstrap.Opened opened, Optional<Signer> signer) {
    this.header = opened.header();
    this.store = opened.store();
    this.log = opened.log();
    this.signer = signer;
  }

  /** Who may write now. */
  public WritersReport report() throws IOException {
    log.refresh();
    return new WritersReport(
        log.catalog().writers().stream()
            .map(
                writer ->
                    new WritersReport.Writer(
                        writer.name(), writer.key().text(), writer.administrator()))
            .toList(),
        Authority.key(signer).map(SigningPublicKey::text),
        log.authority().pinned().stream().map(SigningPublicKey::text).toList(),
        log.passedOver());
  }

  /** Whether this host may write, and what others tried. */
  public List<CheckItem> check() throws IOException {
    WritersReport report = report();
    List<CheckItem> items = new ArrayList<>();
    if (!report.writers().isEmpty()) {
      Optional<String> objection = Authority.objection(signer, List.of(), log.catalog());
      items.add(
          objection.isEmpty()
              ? new CheckItem(
                  "repository.writers",
                  Outcome.OK,
                  report.writers().size()
                      + " writers are named, and this host is one of them"
                      + pinned(report),
                  "")
              : new CheckItem(
                  "repository.writers",
                  Outcome.WARN,
                  "This host can read and not write: what it would commit counts for nothing"
                      + pinned(report),
                  CommitLog.ASK_ADMINISTRATOR));
    }
    for (WritersReport.PassedOver one : report.passedOver()) {
      items.add(
          new CheckItem(
              "repository." + CommitLog.FOREIGN,
              Outcome.FAIL,
              ObjectNames.commit(one.sequence()) + " counts for nothing: " + one.reason(),
              "Find out who can write to the store and has the repository's keys. Change the store's"
                  + " credentials, take them from the recipients with keys rewrap, then run keys"
                  + " rotate, which answers it. The object harms nobody: leave it where it is."));
    }
    return items;
  }

  private static String pinned(WritersReport report) {
    return report.pinned().isEmpty()
        ? "; whose list it must be is not configured here (repository.administrators)"
        : "; their list goes back to one of the "
            + report.pinned().size()
            + " administrators that are configured here";
  }

  /** Changes who may write. */
  public WritersReport change(WritersRequest request) throws IOException {
    log.refresh();
    if (signer.isEmpty()) {
      throw noSigningKey();
    }
    if (request instanceof WritersRequest.NameNobody && !log.authority().pinned().isEmpty()) {
      throw new RepositoryException(
          "keys.pinned",
          FailureKind.REFUSED,
          "repository.administrators is set: with nobody named, this host would refuse the"
              + " repository",
          Map.of(),
          "Remove repository.administrators from the configuration of every host first.",
          null);
    }
    change(request, log.catalog().writers()); // what cannot be done changes nothing at all
    SlotRef marker = marker(store, header);
    log.append(
        catalog -> {
          List<Operation.Writers.Writer> now = change(request, catalog.writers());
          return now.equals(catalog.writers())
              ? List.of()
              : List.of(new Operation.Writers(marker, now));
        });
    return report();
  }

  /** The administrators that are configured, as the first writers of a new repository. */
  static Operation.Writers first(Authority authority, ObjectStore store, RepositoryHeader header)
      throws IOException {
    List<Operation.Writers.Writer> writers = new ArrayList<>();
    for (SigningPublicKey key : authority.pinned()) {
      String name = "administrator" + (writers.isEmpty() ? "" : "-" + (writers.size() + 1));
      writers.add(new Operation.Writers.Writer(name, key, true));
    }
    return new Operation.Writers(marker(store, header), writers);
  }

  static RepositoryException noSigningKey() {
    return new RepositoryException(
        "keys.no-signing-key",
        FailureKind.CONFIGURATION,
        "repository.signing-key is not set: a change of who may write has to be signed",
        Map.of(),
        "Make one with keys signing-key FILE, and set repository.signing-key: FILE.",
        null);
  }

  private List<Operation.Writers.Writer> change(
      WritersRequest request, List<Operation.Writers.Writer> before) throws RepositoryException {
    List<Operation.Writers.Writer> now = new ArrayList<>(before);
    if (request instanceof WritersRequest.Add add) {
      Operation.Writers.Writer added =
          new Operation.Writers.Writer(name(add.name()), key(add.key()), add.administrator());
      if (before.contains(added)) {
        return before;
      }
      requireFree(before, Optional.of(added.name()), added.key());
      now.add(added);
    } else if (request instanceof WritersRequest.Replace replace) {
      Operation.Writers.Writer known = require(before, replace.name());
      SigningPublicKey key = key(replace.key());
      if (known.key().equals(key)) {
        return before;
      }
      requireFree(before, Optional.empty(), key);
      now.set(
          before.indexOf(known),
          new Operation.Writers.Writer(known.name(), key, known.administrator()));
    } else if (request instanceof WritersRequest.Remove remove) {
      now.remove(require(before, remove.name()));
    } else {
      now.clear();
      return now;
    }
    if (now.stream().noneMatch(Operation.Writers.Writer::administrator)) {
      throw new RepositoryException(
          "keys.last-administrator",
          FailureKind.REFUSED,
          before.isEmpty()
              ? "The first writer has to be an administrator: nobody could name another"
              : "That is the last administrator: nobody could change anything after that",
          Map.of(),
          before.isEmpty()
              ? "Name this host's own key first, with --administrator."
              : "Name another administrator first, or name nobody any more with keys writers"
                  + " clear.",
          null);
    }
    if (now.size() > MOST) {
      throw invalid("writers: " + now.size() + " (at most " + MOST + ")", "Remove some first.");
    }
    return now;
  }

  private static void requireFree(
      List<Operation.Writers.Writer> writers, Optional<String> name, SigningPublicKey key)
      throws RepositoryException {
    for (Operation.Writers.Writer writer : writers) {
      if (writer.key().equals(key) || name.equals(Optional.of(writer.name()))) {
        throw new RepositoryException(
            "keys.writer-known",
            FailureKind.REFUSED,
            writer.name() + " is a writer, with the key " + writer.key(),
            Map.of("writer", writer.name()),
            "Take another name, and a key of its own for each host; or give it another key with"
                + " keys writers replace.",
            null);
      }
    }
  }

  static Operation.Writers.Writer require(List<Operation.Writers.Writer> writers, String name)
      throws RepositoryException {
    return writers.stream()
        .filter(writer -> writer.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new RepositoryException(
                    "keys.writer-unknown",
                    FailureKind.NOT_FOUND,
                    "The repository has no writer " + name,
                    Map.of("writer", name),
                    "Look with keys writers list.",
                    null));
  }

  private static String name(String name) throws RepositoryException {
    if (name.isBlank() || name.length() > MOST_NAME) {
      throw invalid("Not a name for a writer: \"" + name + "\"", "Use 1 to 63 characters.");
    }
    return name;
  }

  private static SigningPublicKey key(String text) throws RepositoryException {
    try {
      return SigningPublicKey.parse(text);
    } catch (IllegalArgumentException e) {
      throw invalid(
          String.valueOf(e.getMessage()), "Take the line that keys signing-key prints there.");
    }
  }

  private static RepositoryException invalid(String problem, String remedy) {
    return new RepositoryException(
        "keys.writer-invalid", FailureKind.CONFIGURATION, problem, Map.of(), remedy, null);
  }

  /**
   * What tells readers who know nothing yet that a checkpoint proves nothing here: it lies there
   * before any commit names writers, and is the same whoever writes it.
   */
  private static SlotRef marker(ObjectStore store, RepositoryHeader header) throws IOException {
    Map<String, Object> document = Json.object();
    document.put("format", "thorbis-signed-log");
    document.put("version", 1);
    document.put("repository", header.id());
    byte[] bytes = Json.write(document);
    SlotRef ref = SlotRef.of(ObjectNames.SIGNED, bytes);
    try {
      Outcomes.settle(
          store,
          ObjectNames.SIGNED,
          bytes.length,
          () -> store.put(ObjectNames.SIGNED, ObjectSource.of(bytes)),
          () -> there(store).map(found -> Arrays.equals(found, bytes)));
    } catch (StorageException.AlreadyExists e) {
      throw RepositoryException.damaged(
          ObjectNames.SIGNED.value(), "lies there, and is not of this repository", e);
    }
    return ref;
  }

  private static Optional<byte[]> there(ObjectStore store) throws IOException {
    try {
      return Optional.of(
          SealedObjects.again(
              ObjectNames.SIGNED,
              () -> SealedObjects.fetch(store, ObjectNames.SIGNED, MOST_MARKER)));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }
}
