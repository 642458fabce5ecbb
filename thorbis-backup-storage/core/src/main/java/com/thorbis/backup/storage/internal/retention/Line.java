package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Timeline;

/**
 * One sequence of log. The same number in another life of the source is another timeline.
 *
 * @param incarnation the life
 * @param timeline the branch
 */
public record Line(String incarnation, Timeline timeline) {}
