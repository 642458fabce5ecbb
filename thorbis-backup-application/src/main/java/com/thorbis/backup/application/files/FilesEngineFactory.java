package com.thorbis.backup.application.files;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import java.nio.file.Path;

/**
 * Opens engines for sources of the type {@code files}: {@code paths} are absolute, one a line;
 * {@code exclude} has patterns of what is left out, one a line; {@code one-file-system} leaves out
 * what is mounted below, {@code exclude-caches} what is in folders with a {@code CACHEDIR.TAG}.
 */
public final class FilesEngineFactory implements SourceEngineFactory {
  /** Called by the service loader. */
  public FilesEngineFactory() {}

  @Override
  public String type() {
    return FilesEngine.TYPE;
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    Settings settings = context.settings();
    FileSelection.Builder selection =
        FileSelection.builder()
            .oneFileSystem(settings.flag("one-file-system", false))
            .excludeCaches(settings.flag("exclude-caches", false));
    settings
        .find("exclude")
        .ifPresent(
            text -> text.lines().filter(line -> !line.isBlank()).forEach(selection::exclude));
    FilesEngine.Builder engine = FilesEngine.builder(name).clock(context.clock());
    settings
        .require("paths")
        .lines()
        .filter(line -> !line.isBlank())
        .forEach(line -> engine.path(Path.of(line)));
    return engine.selection(selection.build()).build();
  }
}
