package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.run.Objective;

/** The names of what the steps of a failover hand on. */
public final class FailoverFacts {
  /** The server that the step is about. */
  public static final String SERVER = "server";

  /** Where clients reach it: host and port. */
  public static final String ADDRESS = "address";

  /** How it was proven that the server accepts no writes: the kind of a fence, or a constant. */
  public static final String PROOF = "proof";

  /** The proof is what a person said. */
  public static final String PERSON = "person";

  /** The proof is that a manager of high availability lets only one server be the primary. */
  public static final String MANAGER = "manager";

  /** Who said it. */
  public static final String BY = "by";

  /** The identifier of the cluster. */
  public static final String SYSTEM = "system";

  /** The timeline: before the promotion with a fence, after it with a promotion. */
  public static final String TIMELINE = "timeline";

  /** A log position: up to where a stopped server wrote, or from where a new primary goes on. */
  public static final String LSN = "lsn";

  /** What was lost: bytes of log, or {@code unknown}. */
  public static final String LOSS = Objective.LOSS;

  /** What was established about a server: up, down, or cannot-tell. */
  public static final String VERDICT = "verdict";

  private FailoverFacts() {}
}
