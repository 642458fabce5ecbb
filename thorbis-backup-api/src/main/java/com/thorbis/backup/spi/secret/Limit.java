package com.thorbis.backup.spi.secret;

/**
 * Something that a source holds, or seems to hold, and does not give back.
 *
 * @param what for people
 * @param readability what can be had of it instead
 * @param instead what an operator has to do to have it again
 */
public record Limit(String what, Readability readability, String instead) {}
