package com.thorbis.backup.crypto;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Wraps epoch keys to recipients, each of which alone opens them again. */
public final class KeySlots {
  /** How many recipients a slot has at most. */
  public static final int MOST_RECIPIENTS = 16;

  private KeySlots() {}

  /**
   * Wraps a key to every recipient, and opens each wrap again where the recipient can.
   *
   * @return one wrap per recipient, in their order
   * @throws KeyException if one fails, or gives back another key: then none of the wraps is to be
   *     used
   */
  public static List<WrappedKey> wrap(EpochKey key, List<? extends KeyProvider> recipients)
      throws IOException {
    requireRecipients(recipients);
    List<WrappedKey> wraps = new ArrayList<>();
    try (DataKey material = key.material()) {
      for (KeyProvider recipient : recipients) {
        WrappedKey wrapped = recipient.wrap(material, key.slot().context());
        if (recipient.canUnwrap()) {
          try (DataKey opened = recipient.unwrap(wrapped, key.slot().context())) {
            if (!same(material, opened)) {
              throw new KeyException(
                  "key.wrap-mismatch",
                  FailureKind.PERMANENT,
                  recipient.describe() + ": a fresh wrap opened as another key",
                  recipient.describe(),
                  "Nothing was changed. The recipient is broken: use another one.",
                  null);
            }
          }
        }
        wraps.add(wrapped);
      }
    }
    return List.copyOf(wraps);
  }

  /**
   * Opens a slot with the first recipient that can; those that it was wrapped to by name are asked
   * first. The caller closes the key.
   *
   * @throws KeyException {@code key.no-recipient} if none of them is a recipient or all refused,
   *     {@code key.unreachable} if one that might open it could not be asked
   */
  public static EpochKey open(
      KeySlot slot, List<WrappedKey> wraps, List<? extends KeyProvider> recipients)
      throws IOException {
    if (wraps.isEmpty() || wraps.size() > MOST_RECIPIENTS) {
      throw noRecipient(slot, wraps.size() + " wraps instead of 1 to " + MOST_RECIPIENTS, null);
    }
    for (KeyProvider recipient : recipients) {
      if (recipient instanceof RecoveryKeyProvider recovery) {
        wraps.forEach(recovery::learnFrom);
      }
    }
    List<KeyException> failures = new ArrayList<>();
    for (boolean byName : new boolean[] {true, false}) {
      for (KeyProvider recipient : recipients) {
        if (!recipient.canUnwrap()) {
          continue;
        }
        String keyId = recipient.keyId();
        for (WrappedKey wrapped : wraps) {
          if (wrapped.scheme().equals(recipient.scheme())
              && wrapped.keyId().equals(keyId) == byName) {
            try {
              return unwrap(slot, wrapped, recipient);
            } catch (KeyException e) {
              failures.add(e);
            }
          }
        }
      }
    }
    throw summary(slot, wraps, recipients, failures);
  }

  private static EpochKey unwrap(KeySlot slot, WrappedKey wrapped, KeyProvider recipient)
      throws IOException {
    try (DataKey material = recipient.unwrap(wrapped, slot.context())) {
      if (material.length() != EpochKey.LENGTH) {
        throw Wraps.refused(
            recipient.describe(),
            "the wrap holds " + material.length() + " bytes, which is no epoch key",
            "Read it from another copy.");
      }
      return EpochKey.of(slot, material);
    }
  }

  private static KeyException summary(
      KeySlot slot,
      List<WrappedKey> wraps,
      List<? extends KeyProvider> recipients,
      List<KeyException> failures) {
    for (KeyException failure : failures) {
      if (failure.kind() == FailureKind.TRANSIENT) {
        return new KeyException(
            "key.unreachable",
            FailureKind.TRANSIENT,
            slot + ": a recipient could not be asked: " + failure.getMessage(),
            failure.details().getOrDefault("recipient", ""),
            failure.remedy(),
            failure);
      }
    }
    String problem =
        "the repository's recipients are "
            + wraps.stream()
                .map(wrapped -> wrapped.scheme() + " " + wrapped.keyId())
                .collect(Collectors.joining(", "))
            + "; offered: "
            + (recipients.isEmpty()
                ? "none"
                : recipients.stream()
                    .map(
                        recipient ->
                            recipient.describe()
                                + " ("
                                + recipient.keyId()
                                + (recipient.canUnwrap() ? ")" : ", cannot open)"))
                    .collect(Collectors.joining(", ")));
    KeyException refusal = failures.isEmpty() ? null : failures.get(0);
    return noRecipient(
        slot, refusal == null ? problem : problem + "; " + refusal.getMessage(), refusal);
  }

  private static KeyException noRecipient(
      KeySlot slot, String problem, @Nullable KeyException refusal) {
    return new KeyException(
        "key.no-recipient",
        FailureKind.PERMANENT,
        slot + " does not open: " + problem,
        refusal == null ? "" : refusal.details().getOrDefault("recipient", ""),
        refusal == null
            ? "Configure one of the repository's recipients, or the recovery key from the safe."
            : refusal.remedy(),
        refusal);
  }

  private static void requireRecipients(List<? extends KeyProvider> recipients)
      throws KeyException {
    if (recipients.isEmpty() || recipients.size() > MOST_RECIPIENTS) {
      throw Wraps.configuration(
          "key.recipients",
          "recipients",
          recipients.size() + " given, a repository has 1 to " + MOST_RECIPIENTS,
          "Correct the list of recipients.");
    }
    Set<String> seen = new HashSet<>();
    for (KeyProvider recipient : recipients) {
      // One wrap that is tried with many passphrases must not tell more than one guess at a time.
      String once =
          recipient.scheme().equals(PassphraseKeyProvider.SCHEME)
              ? PassphraseKeyProvider.SCHEME
              : recipient.scheme() + " " + recipient.keyId();
      if (!seen.add(once)) {
        throw Wraps.configuration(
            "key.recipients",
            recipient.describe(),
            recipient.scheme().equals(PassphraseKeyProvider.SCHEME)
                ? "is the second passphrase; a repository has one"
                : "is given twice",
            "Remove it.");
      }
    }
  }

  private static boolean same(DataKey one, DataKey other) {
    return one.use(a -> other.use(b -> MessageDigest.isEqual(a, b)));
  }
}
