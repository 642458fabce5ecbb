package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
    name = "decode",
    description = "Look at a repository object without any key. Needs no configuration.")
final class DecodeCommand extends Job {
  @Parameters(paramLabel = "FILE", description = "The object's file.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Path file;

  @Override
  public Integer call() throws IOException {
    RepositoryFactory repositories =
        Providers.load(
                RepositoryFactory.class,
                "repository engine",
                factory -> factory.getClass().getName(),
                ProviderLoader.serviceLoader(DecodeCommand.class.getClassLoader()))
            .only();
    Path path = thorbis().host().folder().resolve(file);
    ObjectDescription found;
    try (InputStream in = Files.newInputStream(path)) {
      found = repositories.decode(in);
    } catch (NoSuchFileException e) {
      throw BackupException.of("file.not-found", FailureKind.NOT_FOUND, "There is no file " + path)
          .remedy("Name an object's file.")
          .cause(e)
          .build();
    }
    thorbis()
        .print(
            Json.object("kind", found.kind(), "fields", found.fields()),
            out -> {
              out.println(found.kind());
              Text.table(
                      found.fields().entrySet().stream()
                          .map(field -> List.of("  " + field.getKey(), field.getValue()))
                          .toList())
                  .forEach(out::println);
            });
    return Exit.DONE;
  }
}
