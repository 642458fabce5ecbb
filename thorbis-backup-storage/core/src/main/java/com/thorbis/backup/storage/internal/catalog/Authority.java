package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import java.util.List;
import java.util.Optional;

/**
 * Who may commit what. Judged from what all commits before said and from nothing else, so that
 * everybody comes to the same answer, whenever it is read.
 */
final class Authority {
  private Authority() {}

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
    return objectionTo(operations, signer.map(one -> SigningPublicKey.of(one.publicKey())), before);
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

  /** Whether an operation decides who writes, who opens, or where it all lies. */
  private static boolean configures(Operation operation) {
    return operation instanceof Operation.Writers
        || operation instanceof Operation.Rewrap
        || operation instanceof Operation.Rotate
        || operation instanceof Operation.Copies;
  }
}
