package com.thorbis.backup.spi.secret;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * A place that holds secrets. Used by one thread. Failures are {@link SecretException}s, which tell
 * apart what is not there and what could not be looked at; no message, and no exception, holds a
 * value.
 */
public interface SecretSource extends AutoCloseable {
  /** The kind of place, such as {@code vault-kv2}; persisted. */
  String type();

  /** Which place of its kind, without secrets; persisted, and what entries are bound to. */
  String instance();

  /** What it does not give back, whatever it holds at the moment. */
  List<Limit> limits();

  /** How a secret of this place is replaced by a new one, for an operator; one sentence. */
  String rotation();

  /**
   * All secrets, without their values, each name once. Asks for every page: the answer is whole, or
   * the call fails.
   *
   * @throws SecretException if the place could not be looked at, which an empty list never means
   */
  List<SecretInfo> list() throws IOException;

  /**
   * What can be listed, with the parts that could not be looked at by name: one of them does not
   * lose the others.
   *
   * @throws SecretException if nothing could be looked at
   */
  default Listing survey() throws IOException {
    return Listing.whole(list());
  }

  /**
   * One secret, without its value; empty if it is positively not there.
   *
   * @throws SecretException if the place could not be looked at
   */
  default Optional<SecretInfo> find(String name) throws IOException {
    return list().stream().filter(info -> info.name().equals(name)).findFirst();
  }

  /**
   * The value of a listed secret. The caller closes it.
   *
   * @throws SecretException {@code secrets.not-found} if it is positively gone since, {@code
   *     secrets.unreadable} if the platform gives no value of it
   */
  Secret read(SecretInfo listed) throws IOException;

  /** Forgets the credential. */
  @Override
  void close() throws IOException;
}
