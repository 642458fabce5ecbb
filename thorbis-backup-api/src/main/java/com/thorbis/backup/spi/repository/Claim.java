package com.thorbis.backup.spi.repository;

/** A name that this process has and others do not, until it is closed. */
@FunctionalInterface
public interface Claim extends AutoCloseable {
  /** Gives it back; what cannot be given back lapses. May be called twice. */
  @Override
  void close();
}
