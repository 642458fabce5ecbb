package com.thorbis.backup.api;

/**
 * What tells one database cluster from another, and never changes while it lives.
 *
 * @param systemId the system identifier that {@code initdb} drew, unsigned
 * @param majorVersion PostgreSQL's major version, such as 15
 * @param segmentSize the length of its WAL segments
 */
public record ClusterIdentity(long systemId, int majorVersion, WalSegmentSize segmentSize) {
  /** The system identifier as PostgreSQL prints it. */
  public String systemIdText() {
    return Long.toUnsignedString(systemId);
  }
}
