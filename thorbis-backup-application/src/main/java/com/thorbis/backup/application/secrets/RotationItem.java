package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.secret.SecretInfo;

/**
 * A secret that has to be issued again.
 *
 * @param source the kind and the place that holds it
 * @param secret which it is
 * @param how what to do; one sentence
 */
public record RotationItem(String source, SecretInfo secret, String how) {}
