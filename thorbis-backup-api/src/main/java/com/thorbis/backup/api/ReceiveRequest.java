package com.thorbis.backup.api;

/**
 * How to capture WAL.
 *
 * @param source the source's name
 * @param synchronous whether the server counts it for {@code synchronous_commit}
 */
public record ReceiveRequest(String source, boolean synchronous) {}
