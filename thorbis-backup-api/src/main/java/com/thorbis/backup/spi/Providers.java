package com.thorbis.backup.spi;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The providers of one type under their names. Immutable; there is no global registry. */
public final class Providers<T> {
  private final String what;
  private final Map<String, T> byName;
  private final List<String> problems;

  private Providers(String what, Map<String, T> byName, List<String> problems) {
    this.what = what;
    this.byName = byName;
    this.problems = problems;
  }

  /**
   * Loads what can be loaded.
   *
   * @param what what messages call one of them, such as {@code store}
   * @throws BackupException of kind CONFIGURATION if two have one name
   */
  public static <T> Providers<T> load(
      Class<T> type, String what, Function<? super T, String> name, ProviderLoader loader) {
    List<String> problems = new ArrayList<>();
    Map<String, T> byName = new LinkedHashMap<>();
    for (T provider :
        loader.load(type, problem -> problems.add(String.valueOf(problem.getMessage())))) {
      T other = byName.putIfAbsent(name.apply(provider), provider);
      if (other != null && other.getClass() != provider.getClass()) {
        throw BackupException.of(
                "configuration.provider-twice",
                FailureKind.CONFIGURATION,
                "Two providers serve the "
                    + what
                    + " \""
                    + name.apply(provider)
                    + "\": "
                    + other.getClass().getName()
                    + " and "
                    + provider.getClass().getName())
            .remedy("Keep one of them on the class path.")
            .build();
      }
    }
    return new Providers<>(what, byName, problems);
  }

  /**
   * The provider of this name, or a failure that says which there are and which could not be
   * loaded.
   */
  public T require(String name) {
    T provider = byName.get(name);
    if (provider == null) {
      throw BackupException.of(
              "configuration.provider-missing",
              FailureKind.CONFIGURATION,
              "No "
                  + what
                  + " \""
                  + name
                  + "\"; there are: "
                  + String.join(", ", byName.keySet())
                  + (problems.isEmpty() ? "" : "; could not load: " + String.join("; ", problems)))
          .remedy("Add the artifact that provides it to the class path, or correct the name.")
          .build();
    }
    return provider;
  }

  /** The only provider there is, whatever its name. */
  public T only() {
    if (byName.size() != 1) {
      throw BackupException.of(
              "configuration.provider-missing",
              FailureKind.CONFIGURATION,
              "Expected one "
                  + what
                  + " on the class path, found "
                  + byName.size()
                  + (problems.isEmpty() ? "" : "; could not load: " + String.join("; ", problems)))
          .remedy("Add the artifact that provides it to the class path.")
          .build();
    }
    return byName.values().iterator().next();
  }
}
