package com.thorbis.backup.spi.repository;

import java.time.Instant;

/**
 * What a POSIX file system says of an entry besides its mode and the time of its content. Two equal
 * ones at one path say that nothing was written to it in between, if the change lies well before
 * the first was seen: within one tick of a file system's clock there can be several.
 *
 * @param uid the owner's number
 * @param gid the group's number
 * @param owner the owner's name, or empty where the number has none
 * @param group the group's name, or empty where the number has none
 * @param inode its number in the file system
 * @param changedAt when anything of it changed last, content or attributes
 */
public record FileNode(
    long uid, long gid, String owner, String group, long inode, Instant changedAt) {}
