package com.thorbis.backup.application.app;

import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes a component into its folder of a backup. Used by one thread. */
public final class ComponentWriter {
  private final BackupWriter writer;
  private final String folder;
  private final Instant now;
  private final Map<String, Reference> documents = new LinkedHashMap<>();

  ComponentWriter(BackupWriter writer, String folder, Instant now) {
    this.writer = writer;
    this.folder = folder;
    this.now = now;
  }

  /** The repository could not take it: the fault is no component's. */
  static final class RepositoryFailure extends IOException {
    private static final long serialVersionUID = 1L;

    RepositoryFailure(Exception cause) {
      super(cause);
    }
  }

  /** Writes a document, which the manifest refers to. */
  public void document(String name, Document content) throws IOException {
    byte[] bytes = content.bytes();
    documents.put(name, Reference.of(bytes));
    file(name, 0600, bytes.length, new java.io.ByteArrayInputStream(bytes));
  }

  /**
   * Writes a file that is not a document, and which the manifest refers to.
   *
   * @param expected what its bytes were found to be
   */
  public void object(String name, Reference expected, InputStream content) throws IOException {
    documents.put(name, expected);
    content(name, 0600, expected, content);
  }

  /**
   * Writes a file to which a document refers.
   *
   * @param expected what its bytes were found to be
   * @throws com.thorbis.backup.api.BackupException {@code application.changed} if they are others
   */
  public void content(String name, int mode, Reference expected, InputStream content)
      throws IOException {
    Reference found = file(name, mode, expected.length(), content);
    if (!found.equals(expected)) {
      throw com.thorbis.backup.api.BackupException.of(
              "application.changed",
              com.thorbis.backup.api.FailureKind.TRANSIENT,
              name + " changed while it was read")
          .remedy("Take the backup while nothing writes there.")
          .build();
    }
  }

  private Reference file(String name, int mode, long length, InputStream content)
      throws IOException {
    StoredFile file =
        new StoredFile(
            StoredFile.Area.DATA, folder + "/" + name, StoredFile.Kind.FILE, length, mode, now);
    BackupWriter.FileWriter out = calling(() -> writer.file(file, PieceCheck.NONE));
    try (out) {
      java.security.MessageDigest digest = Reference.digest();
      byte[] buffer = new byte[1 << 16];
      long written = 0;
      for (int read = content.read(buffer); read >= 0; read = content.read(buffer)) {
        int count = read;
        digest.update(buffer, 0, count);
        written += count;
        calling(
            () -> {
              out.write(buffer, 0, count);
              return count;
            });
      }
      calling(
          () -> {
            out.finish();
            return true;
          });
      return new Reference(written, java.util.HexFormat.of().formatHex(digest.digest()));
    }
  }

  Map<String, Reference> documents() {
    return documents;
  }

  @FunctionalInterface
  private interface Call<T> {
    T run() throws IOException;
  }

  private static <T> T calling(Call<T> call) throws RepositoryFailure {
    try {
      return call.run();
    } catch (IOException | RuntimeException e) {
      throw new RepositoryFailure(e);
    }
  }
}
