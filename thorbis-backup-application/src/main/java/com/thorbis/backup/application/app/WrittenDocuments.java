package com.thorbis.backup.application.app;

import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * A component that is documents alone.
 *
 * @param documents by name
 * @param gaps what is missing
 * @param counts what was counted
 */
public record WrittenDocuments(
    Map<String, Document> documents, List<Gap> gaps, Map<String, Long> counts)
    implements Component.Prepared {
  /** Copies the collections. */
  public WrittenDocuments {
    documents = Map.copyOf(documents);
    gaps = List.copyOf(gaps);
    counts = Map.copyOf(counts);
  }

  @Override
  public void write(ComponentWriter into) throws IOException {
    for (Map.Entry<String, Document> one : documents.entrySet()) {
      into.document(one.getKey(), one.getValue());
    }
  }

  @Override
  public void close() {}
}
