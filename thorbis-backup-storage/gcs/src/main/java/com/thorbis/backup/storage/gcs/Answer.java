package com.thorbis.backup.storage.gcs;

import com.google.api.client.googleapis.json.GoogleJsonError;
import com.google.api.client.googleapis.json.GoogleJsonResponseException;
import com.google.api.client.http.HttpHeaders;
import com.google.api.client.http.HttpResponseException;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An answer other than the one hoped for. Leaves out the address that was asked: that of an upload
 * lets whoever reads it write.
 */
final class Answer extends IOException {
  private static final long serialVersionUID = 1L;
  private static final int LONGEST = 500;

  private final int status;
  private final String reason;
  private final String text;
  private final long retryAfterMillis;

  private Answer(int status, String reason, String text, long retryAfterMillis) {
    super("HTTP " + status + (text.isEmpty() ? "" : ": " + text));
    this.status = status;
    this.reason = reason;
    this.text = text;
    this.retryAfterMillis = retryAfterMillis;
  }

  static Answer of(HttpResponseException e) {
    GoogleJsonError error =
        e instanceof GoogleJsonResponseException json ? json.getDetails() : null;
    return error == null
        ? new Answer(
            e.getStatusCode(), "", shorten(e.getContent()), retryAfterMillis(e.getHeaders()))
        : of(e.getStatusCode(), error, e.getHeaders());
  }

  static Answer of(int status, GoogleJsonError error, @Nullable HttpHeaders headers) {
    List<GoogleJsonError.ErrorInfo> errors = error.getErrors();
    String reason = errors == null || errors.isEmpty() ? null : errors.get(0).getReason();
    return new Answer(
        status,
        reason == null ? "" : reason,
        shorten(error.getMessage()),
        retryAfterMillis(headers));
  }

  static Answer of(int status, HttpHeaders headers, @Nullable String content) {
    return new Answer(status, "", shorten(content), retryAfterMillis(headers));
  }

  int status() {
    return status;
  }

  /** How long the store asked to be left alone; 0 if it did not. */
  long retryAfterMillis() {
    return retryAfterMillis;
  }

  /** Whether a 404 says itself that it is the object that is missing, and not the bucket. */
  boolean namesTheObject() {
    return text.contains("No such object");
  }

  boolean saysLocked() {
    return status == 403
        && (reason.equals("retentionPolicyNotMet")
            || reason.equals("objectUnderActiveHold")
            || text.contains("retentionPolicyNotMet")
            || text.contains("retention"));
  }

  /** Whether the request may nevertheless have been carried out, or be so later. */
  boolean leavesOpen() {
    return status >= 500 || status == 408;
  }

  boolean worthRepeating() {
    return status == 408 || status == 429 || status >= 500 && status != 501;
  }

  private static String shorten(@Nullable String text) {
    String line = text == null ? "" : text.strip();
    return line.length() <= LONGEST ? line : line.substring(0, LONGEST);
  }

  private static long retryAfterMillis(@Nullable HttpHeaders headers) {
    String value = headers == null ? null : headers.getRetryAfter();
    return value == null || !value.matches("[0-9]{1,6}") ? 0 : Long.parseLong(value) * 1000;
  }
}
