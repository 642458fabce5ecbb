package com.thorbis.backup.api;

/** A change of who may write to a repository. An administrator's key has to sign it. */
public sealed interface WritersRequest {
  /**
   * Names another writer. The first one that is named is the administrator who signs it; from then
   * on commits of nobody else count.
   *
   * @param name what people call it, 1 to 63 characters
   * @param key its public key, as text
   * @param administrator whether it may also change who writes, who opens, and where it all lies
   */
  record Add(String name, String key, boolean administrator) implements WritersRequest {}

  /**
   * Gives a writer another key: what the one before signs from now on counts for nothing.
   *
   * @param name a writer's
   * @param key the new public key, as text
   */
  record Replace(String name, String key) implements WritersRequest {}

  /**
   * Lets a writer write no more. What it committed stays.
   *
   * @param name a writer's
   */
  record Remove(String name) implements WritersRequest {}

  /** Names nobody any more: whoever has the keys of the repository may write. */
  record NameNobody() implements WritersRequest {}
}
