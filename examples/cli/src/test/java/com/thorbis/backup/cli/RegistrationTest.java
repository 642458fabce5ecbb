package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Providers are found on the class path and on the module path alike. */
class RegistrationTest {
  @Test
  void everyProviderIsFoundByItsName() {
    assertThat(names(ObjectStoreFactory.class, ObjectStoreFactory::scheme)).containsExactly("file");
    assertThat(names(KeyProviderFactory.class, KeyProviderFactory::scheme))
        .containsExactly("keystore", "passphrase", "pkcs11", "recovery");
    assertThat(names(SourceEngineFactory.class, SourceEngineFactory::type))
        .containsExactly(
            "api",
            "evidence",
            "files",
            "nextjs",
            "postgres",
            "recovery-point",
            "secrets",
            "static");
    assertThat(names(SecretTargetFactory.class, SecretTargetFactory::type))
        .containsExactly(
            "env-file", "github-actions", "kubernetes", "supabase", "vault-kv2", "vercel");
    assertThat(ServiceLoader.load(RepositoryFactory.class)).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      classes = {
        ObjectStoreFactory.class,
        KeyProviderFactory.class,
        SourceEngineFactory.class,
        RepositoryFactory.class,
        SecretTargetFactory.class
      })
  void modulesProvideWhatServicesFilesName(Class<?> service) throws IOException {
    assertThat(providedByModules(service)).isNotEmpty().isEqualTo(namedInFiles(service));
  }

  private static <T> List<String> names(Class<T> service, Function<T, String> name) {
    return ServiceLoader.load(service).stream()
        .map(ServiceLoader.Provider::get)
        .map(name)
        .sorted()
        .toList();
  }

  private static Set<String> providedByModules(Class<?> service) {
    Path[] ours =
        Pattern.compile(File.pathSeparator, Pattern.LITERAL)
            .splitAsStream(System.getProperty("java.class.path"))
            .filter(entry -> entry.contains("thorbis-backup-"))
            .map(Path::of)
            .toArray(Path[]::new);
    return ModuleFinder.of(ours).findAll().stream()
        .flatMap(module -> module.descriptor().provides().stream())
        .filter(provides -> provides.service().equals(service.getName()))
        .map(ModuleDescriptor.Provides::providers)
        .flatMap(List::stream)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> namedInFiles(Class<?> service) throws IOException {
    Set<String> named = new TreeSet<>();
    ClassLoader loader = RegistrationTest.class.getClassLoader();
    for (URL file :
        Collections.list(loader.getResources("META-INF/services/" + service.getName()))) {
      try (BufferedReader reader =
              new BufferedReader(new InputStreamReader(file.openStream(), StandardCharsets.UTF_8));
          Stream<String> lines = reader.lines()) {
        lines.map(String::strip).filter(line -> !line.isEmpty()).forEach(named::add);
      }
    }
    return named;
  }
}
