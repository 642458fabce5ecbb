package com.thorbis.backup.api;

import java.util.List;

/**
 * Asks for what a host needs to write to a repository without opening it.
 *
 * @param writer the name of a writer
 * @param sources what it may offer; of those that are registered, its own life of the cluster
 */
public record SealedWriterRequest(String writer, List<String> sources) {
  /** Copies the list. */
  public SealedWriterRequest {
    sources = List.copyOf(sources);
  }
}
