package com.thorbis.backup.crypto.pkcs11;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.KeyException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.AEADBadTagException;
import javax.security.auth.login.LoginException;
import org.jspecify.annotations.Nullable;

/** Where the failures of a token become ours. The JDK tells what it returned in texts alone. */
record Failures(String recipient) {
  private static final Pattern ANSWER = Pattern.compile("CKR_[A-Z0-9_]+");

  KeyException translate(String action, Exception e) {
    String answer = answer(e);
    if (answer.startsWith("CKR_PIN_") || answer.isEmpty() && has(e, LoginException.class)) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the token refused the PIN" + (answer.isEmpty() ? "" : " (" + answer + ")"),
          "Correct the PIN. It is not tried again before this program is started anew, as a few"
              + " wrong ones lock a token.",
          e);
    }
    if (has(e, AEADBadTagException.class)
        || answer.startsWith("CKR_ENCRYPTED_DATA_")
        || answer.equals("CKR_AEAD_DECRYPT_FAILED")) {
      return refused(
          "the wrap does not open: another key, another place in the repository, or damaged",
          "Read it from another copy, or offer the recipient that it was wrapped for.",
          e);
    }
    if (answer.startsWith("CKR_KEY_")
        || answer.startsWith("CKR_MECHANISM_")
        || answer.startsWith("CKR_ATTRIBUTE_")) {
      return failure(
          "key.refused",
          FailureKind.PERMANENT,
          "the token refused to " + action + ": " + answer,
          "Use an AES key that may encrypt and decrypt, in a token that offers AES-GCM.",
          e);
    }
    return failure(
        "key.unreachable",
        FailureKind.TRANSIENT,
        "the token could not be asked to "
            + action
            + ": "
            + (answer.isEmpty() ? String.valueOf(e.getMessage()) : answer),
        "See that it is connected and in the slot that is configured, then try again; or use another"
            + " recipient.",
        e);
  }

  KeyException lost(String label, List<String> labels) {
    return failure(
        "key.lost",
        FailureKind.NOT_FOUND,
        "the token has no AES key with the label "
            + label
            + "; it has "
            + (labels.isEmpty() ? "none" : String.join(", ", labels)),
        "Correct the label or the slot, or bring the key back from the token's backup.",
        null);
  }

  KeyException configuration(String problem, String remedy, @Nullable Exception cause) {
    return failure("key.token-unusable", FailureKind.CONFIGURATION, problem, remedy, cause);
  }

  KeyException refused(String problem, String remedy, @Nullable Exception cause) {
    return failure("key.refused", FailureKind.PERMANENT, problem, remedy, cause);
  }

  /** What the token returned; empty if it did not come to that. */
  private static String answer(Throwable e) {
    int depth = 0;
    for (Throwable at = e; at != null && depth < 20; at = at.getCause(), depth++) {
      Matcher answer = ANSWER.matcher(String.valueOf(at.getMessage()));
      if (answer.find()) {
        return answer.group();
      }
    }
    return "";
  }

  private static boolean has(Throwable e, Class<? extends Throwable> type) {
    int depth = 0;
    for (Throwable at = e; at != null && depth < 20; at = at.getCause(), depth++) {
      if (type.isInstance(at)) {
        return true;
      }
    }
    return false;
  }

  private KeyException failure(
      String code, FailureKind kind, String problem, String remedy, @Nullable Exception cause) {
    return new KeyException(code, kind, recipient + ": " + problem, recipient, remedy, cause);
  }
}
