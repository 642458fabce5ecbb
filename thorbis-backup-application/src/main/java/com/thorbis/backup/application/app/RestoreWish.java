package com.thorbis.backup.application.app;

import java.nio.file.Path;
import java.util.Optional;

/**
 * What a restore is to do.
 *
 * @param into a new or empty folder for what is laid down as files; without it, none are
 * @param mode what happens to what stands on a platform already
 */
public record RestoreWish(Optional<Path> into, ApplyMode mode) {}
