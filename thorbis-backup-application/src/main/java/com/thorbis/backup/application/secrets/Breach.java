package com.thorbis.backup.application.secrets;

import java.time.Instant;

/**
 * Somebody may have read the secrets: all that stood until then is burned, and is not restored.
 *
 * @param at when it was noticed
 * @param reason for people, without secrets
 */
public record Breach(Instant at, String reason) {}
