package com.thorbis.backup.dr.failover;

/** One way to see whether a server works. Used by one thread at a time. */
public interface Signal {
  /** Its name. */
  String id();

  /** The place that it looks from. Signals from one place fail together, so they count as one. */
  String from();

  /** Looks, within its own patience. What cannot be looked at is said so, never thrown. */
  Sighting look() throws InterruptedException;
}
