package com.thorbis.backup.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import java.net.URI;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class ProvidersTest {
  private static class First implements ObjectStoreFactory {
    @Override
    public String scheme() {
      return "here";
    }

    @Override
    public ObjectStore open(URI location, ProviderContext context) {
      throw new UnsupportedOperationException("not opened in this test");
    }
  }

  private static final class Second extends First {}

  @Test
  void aMissingProviderSaysWhatThereIsAndWhatFailedToLoad() {
    Providers<ObjectStoreFactory> stores =
        load(new LinkageError("vendor jar is absent"), List.of(new First()));
    assertThat(stores.require("here")).isInstanceOf(First.class);
    assertThatThrownBy(() -> stores.require("there"))
        .hasMessageContaining("\"there\"")
        .hasMessageContaining("here")
        .hasMessageContaining("vendor jar is absent");
  }

  @Test
  void twoProvidersOfOneNameAreAnErrorThatNamesBoth() {
    assertThatThrownBy(() -> load(null, List.of(new First(), new Second())))
        .hasMessageContaining(First.class.getName())
        .hasMessageContaining(Second.class.getName());
  }

  @Test
  void theServiceLoaderFindsNothingWhereNothingIsDeclared() {
    ProviderLoader loader = ProviderLoader.serviceLoader(getClass().getClassLoader());
    assertThat(loader.load(ObjectStoreFactory.class, problem -> {})).isEmpty();
  }

  private static Providers<ObjectStoreFactory> load(
      @org.jspecify.annotations.Nullable Throwable problem, List<ObjectStoreFactory> found) {
    return Providers.load(
        ObjectStoreFactory.class,
        "store",
        ObjectStoreFactory::scheme,
        new ProviderLoader() {
          @Override
          public <T> List<T> load(Class<T> type, Consumer<Throwable> problems) {
            if (problem != null) {
              problems.accept(problem);
            }
            return found.stream().map(type::cast).toList();
          }
        });
  }
}
