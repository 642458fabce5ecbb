package com.thorbis.backup.application.app;

import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * Something that is configured, as one document. Holds names of secrets and never a value: each is
 * a {@link SecretPlace#reference}. Used by one thread.
 */
public interface ConfigurationPlace extends AutoCloseable {
  /** What kind it is, such as {@code vercel}. */
  String kind();

  /** Reads it. */
  Reading read() throws IOException;

  /**
   * What a restore would do: in order, creating what is missing, and changing what differs if the
   * mode says so. Changes nothing.
   *
   * @param stored what {@link #read} gave once
   */
  List<Step> plan(Document stored, ApplyMode mode) throws IOException;

  @Override
  void close() throws IOException;

  /**
   * What was read.
   *
   * @param document with stable names, and nothing that changes by itself
   * @param unread what could not be read, or is not kept
   * @param contents files whose content belongs to it, by their name in the backup
   */
  record Reading(Document document, List<Gap> unread, Map<String, Content> contents) {
    /** Copies the collections. */
    public Reading {
      unread = List.copyOf(unread);
      contents = Map.copyOf(contents);
    }

    /** One without files. */
    public Reading(Document document, List<Gap> unread) {
      this(document, unread, Map.of());
    }
  }

  /**
   * A file.
   *
   * @param file where it lies
   * @param mode its permissions
   * @param reference its bytes when it was read
   */
  record Content(java.nio.file.Path file, int mode, Reference reference) {}
}
