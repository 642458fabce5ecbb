package com.thorbis.backup.storage.azure;

import com.azure.core.http.HttpHeaderName;
import com.azure.storage.blob.models.BlobStorageException;
import java.io.IOException;
import java.util.Locale;

/**
 * An answer other than the one hoped for. Leaves out the request: its address may hold a signature
 * that lets whoever reads it in.
 */
final class Answer extends IOException {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String code;
  private final long retryAfterMillis;

  Answer(BlobStorageException e) {
    super("HTTP " + e.getStatusCode() + " " + code(e));
    this.status = e.getStatusCode();
    this.code = code(e);
    String after =
        e.getResponse() == null ? null : e.getResponse().getHeaderValue(HttpHeaderName.RETRY_AFTER);
    this.retryAfterMillis =
        after == null || !after.matches("[0-9]{1,6}") ? 0 : Long.parseLong(after) * 1000;
  }

  private static String code(BlobStorageException e) {
    return e.getErrorCode() == null ? "" : e.getErrorCode().toString();
  }

  int status() {
    return status;
  }

  /** Whether the service gave one of these reasons. */
  boolean says(String... codes) {
    for (String one : codes) {
      if (code.equals(one)) {
        return true;
      }
    }
    return false;
  }

  /** The object is not there; a container that is not has another code. */
  boolean saysAbsent() {
    return status == 404 && says("BlobNotFound", "ResourceNotFound");
  }

  boolean saysLocked() {
    return (status == 409 || status == 403)
        && (code.toLowerCase(Locale.ROOT).contains("immutab") || says("BlobHasLegalHold"));
  }

  boolean saysOffline() {
    return status == 409 && says("BlobArchived", "BlobBeingRehydrated");
  }

  /** How long the store asked to be left alone; 0 if it did not. */
  long retryAfterMillis() {
    return retryAfterMillis;
  }

  /**
   * Whether the request may nevertheless have been carried out, or be so later. A success of
   * another kind than the one that belongs to the request says nothing.
   */
  boolean leavesOpen() {
    return status >= 500 && !says("ServerBusy") || status == 408 || status < 300;
  }

  boolean worthRepeating() {
    return status == 408 || status == 429 || status >= 500 && status != 501 || status < 300;
  }
}
