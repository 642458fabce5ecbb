package com.thorbis.backup.storage.internal.catalog;

import static java.util.stream.Collectors.joining;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Who may commit what. Judged from what all commits before said and from nothing else, so that
 * everybody comes to the same answer, whenever it is read. A host that is told who the
 * administrators are may refuse all of it.
 */
final class Authority {
  private final List<SigningPublicKey> pinned;
  private final boolean naming;

  private Authority(List<SigningPublicKey> pinned, boolean naming) {
    this.pinned = pinned;
    this.naming = naming;
  }

  /** Of a host that knows who the administrators are; with none, the first list names them. */
  static Authority of(List<String> administrators) throws RepositoryException {
    List<SigningPublicKey> pinned = new ArrayList<>();
    for (String administrator : administrators) {
      try {
        pinned.add(SigningPublicKey.parse(administrator));
      } catch (IllegalArgumentException e) {
        throw new RepositoryException(
            "configuration.administrators",
            FailureKind.CONFIGURATION,
            "repository.administrators: " + e.getMessage(),
            Map.of(),
            "Write the line that keys signing-key prints on an administrator's host.",
            e);
      }
    }
    return new Authority(pinned.stream().distinct().toList(), false);
  }

  /** The same for one of those administrators, who is about to name the first writers. */
  Authority naming() {
    return new Authority(pinned, true);
  }

  /** Who must have begun the list of writers; empty: nobody in particular. */
  List<SigningPublicKey> pinned() {
    return pinned;
  }

  /** Whether a key is one of those who must have begun the list. */
  private boolean isPinned(Optional<SigningPublicKey> key) {
    return key.filter(pinned::contains).isPresent();
  }

  /** The public half of what a host signs with. */
  static Optional<SigningPublicKey> key(Optional<Signer> signer) {
    return signer.map(one -> SigningPublicKey.of(one.publicKey()));
  }

  /** Refuses to create what this host itself would refuse to open. */
  void requireMayCreate(Optional<Signer> signer) throws RepositoryException {
    if (!pinned.isEmpty() && !isPinned(key(signer))) {
      throw new RepositoryException(
          "keys.not-administrator",
          FailureKind.REFUSED,
          "repository.administrators is set, and this host signs with none of those keys",
          Map.of(),
          "Run init with repository.signing-key set to the key of one of them.",
          null);
    }
  }

  /** Whether commits name the first writers, and nobody signed that whom this host is told of. */
  boolean isUsurped(List<Operation> operations, Optional<SigningPublicKey> key, Catalog before) {
    return !pinned.isEmpty()
        && !isPinned(key)
        && before.writers().isEmpty()
        && operations.stream()
            .anyMatch(
                each -> each instanceof Operation.Writers named && !named.writers().isEmpty());
  }

  /**
   * Refuses a commit that names the first writers, where nobody has signed it whom this host is
   * told of. It is not passed over: hosts that are told nothing go by it, and all have to come to
   * the same answer.
   */
  void requirePinned(Commit commit, Optional<Signature> signature, Catalog before)
      throws RepositoryException {
    Optional<SigningPublicKey> key = signature.map(Signature::key);
    if (isUsurped(commit.operations(), key, before)) {
      throw unknown(
          ObjectNames.commit(commit.sequence())
              + " names the first writers, and "
              + key.map(one -> one + ", who has signed it,").orElse("whoever made it")
              + " is none of repository.administrators");
    }
  }

  /**
   * Refuses a log in which nobody says who may write. Where somebody does, the list goes back to
   * one of those whom this host is told of: see {@link #requirePinned}.
   */
  void requireNamed(Catalog catalog, ObjectStore store) throws RepositoryException {
    if (!naming && !pinned.isEmpty() && catalog.writers().isEmpty()) {
      throw unknown(
          "repository.administrators is set, and nobody has said who may write to "
              + store.describe());
    }
  }

  private static RepositoryException unknown(String problem) {
    return new RepositoryException(
        "repository.administrator-unknown",
        FailureKind.REFUSED,
        problem,
        Map.of(),
        "Where nobody was ever named, run keys writers add NAME KEY --administrator with"
            + " repository.signing-key set to the key of one of them. Otherwise this is not the"
            + " repository that is meant, or somebody has replaced it: find out who can write to"
            + " the store.",
        null);
  }

  /** A name for what was judged so, for files; empty where nobody is pinned. */
  String label() {
    if (pinned.isEmpty()) {
      return "";
    }
    String all = pinned.stream().map(SigningPublicKey::text).sorted().collect(joining(" "));
    return "-" + Digests.sha256(all.getBytes(StandardCharsets.US_ASCII)).substring(0, 16);
  }

  /**
   * Why a commit counts for nothing; empty if it counts.
   *
   * @param signature as it lies there
   * @param before what all commits before it add up to
   */
  static Optional<String> objection(
      List<Operation> operations, Optional<Signature> signature, Catalog before) {
    if (signature.isPresent() && !signature.get().genuine()) {
      return Optional.of(
          "its signature is not one of "
              + signature.get().key()
              + " over this commit in this place");
    }
    return objectionTo(operations, signature.map(Signature::key), before);
  }

  /** Why a host may not commit this; empty if it may. */
  static Optional<String> objection(
      Optional<Signer> signer, List<Operation> operations, Catalog before) {
    return objectionTo(operations, key(signer), before);
  }

  /** Judges commits in the order in which they lie in a log. */
  @FunctionalInterface
  interface Judge {
    /** Why a commit counts for nothing; empty if it counts. */
    Optional<String> objection(
        List<Operation> operations, Optional<Signature> signature, Catalog before);
  }

  /**
   * Of a sealed writer's session everything counts that one of these writers has signed, the same
   * one throughout.
   */
  static final class OfSession implements Judge {
    private final List<Operation.Writers.Writer> writers;
    private @Nullable SigningPublicKey whose;

    OfSession(List<Operation.Writers.Writer> writers) {
      this.writers = List.copyOf(writers);
    }

    @Override
    public synchronized Optional<String> objection(
        List<Operation> operations, Optional<Signature> signature, Catalog before) {
      if (signature.isEmpty()) {
        return Optional.of("nobody has signed it");
      }
      SigningPublicKey key = signature.get().key();
      if (!signature.get().genuine()) {
        return Optional.of(
            "its signature is not one of " + key + " over this commit in this place");
      }
      if (find(writers, key).isEmpty()) {
        return Optional.of(key + " has signed it, which is no key of a writer");
      }
      if (whose != null && !whose.equals(key)) {
        return Optional.of(key + " has signed it, while " + whose + " began the session");
      }
      whose = key;
      return Optional.empty();
    }

    /** Whose it is, as far as it was read. */
    synchronized Optional<Operation.Writers.Writer> writer() {
      return whose == null ? Optional.empty() : find(writers, whose);
    }
  }

  private static Optional<String> objectionTo(
      List<Operation> operations, Optional<SigningPublicKey> key, Catalog before) {
    List<Operation.Writers.Writer> writers = before.writers();
    boolean configures = operations.stream().anyMatch(Authority::configures);
    if (writers.isEmpty()) {
      return operations.stream()
          .filter(Operation.Writers.class::isInstance)
          .map(Operation.Writers.class::cast)
          .filter(named -> !named.writers().isEmpty())
          .filter(
              named ->
                  key.flatMap(one -> find(named.writers(), one))
                      .filter(Operation.Writers.Writer::administrator)
                      .isEmpty())
          .findAny()
          .map(named -> "it names the first writers, and no administrator of theirs has signed it");
    }
    if (key.isEmpty()) {
      return Optional.of("nobody has signed it, while the repository names its writers");
    }
    Optional<Operation.Writers.Writer> writer = find(writers, key.get());
    if (writer.isEmpty()) {
      return Optional.of(key.get() + " has signed it, which is no key of a writer");
    }
    return configures && !writer.get().administrator()
        ? Optional.of(
            writer.get().name() + " has signed it, and does what only an administrator may")
        : Optional.empty();
  }

  private static Optional<Operation.Writers.Writer> find(
      List<Operation.Writers.Writer> writers, SigningPublicKey key) {
    return writers.stream().filter(writer -> writer.key().equals(key)).findFirst();
  }

  /** Whether an operation decides who writes, who opens, what is erased, or where it all lies. */
  private static boolean configures(Operation operation) {
    return operation instanceof Operation.Writers
        || operation instanceof Operation.Rewrap
        || operation instanceof Operation.Rotate
        || operation instanceof Operation.Copies
        || operation instanceof Operation.ErasureStep
            && !(operation instanceof Operation.EraseEnded);
  }
}
