package com.thorbis.backup.spi;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Consumer;

/** Finds providers. A container implements it over its beans. */
@FunctionalInterface
public interface ProviderLoader {
  /**
   * Loads what can be loaded.
   *
   * @param type a service type of this SDK
   * @param problems told about each provider that could not be loaded
   */
  <T> List<T> load(Class<T> type, Consumer<Throwable> problems);

  /** Finds nothing: the host passes every object itself. */
  static ProviderLoader none() {
    return new ProviderLoader() {
      @Override
      public <T> List<T> load(Class<T> type, Consumer<Throwable> problems) {
        return List.of();
      }
    };
  }

  /**
   * Finds what the class path or module path declares. One broken provider does not hide the
   * others.
   */
  static ProviderLoader serviceLoader(ClassLoader classLoader) {
    return new ProviderLoader() {
      @Override
      public <T> List<T> load(Class<T> type, Consumer<Throwable> problems) {
        List<T> found = new ArrayList<>();
        Iterator<ServiceLoader.Provider<T>> providers = services(type, classLoader);
        while (true) {
          try {
            if (!providers.hasNext()) {
              return found;
            }
            found.add(providers.next().get());
          } catch (ServiceConfigurationError | LinkageError e) {
            problems.accept(e);
          }
        }
      }

      // ServiceLoader wants the caller's module to declare "uses"; ours does for its own service
      // types, and says here that it uses those of modules above it.
      private <T> Iterator<ServiceLoader.Provider<T>> services(Class<T> type, ClassLoader loader) {
        ProviderLoader.class.getModule().addUses(type);
        return ServiceLoader.load(type, loader).stream().iterator();
      }
    };
  }
}
