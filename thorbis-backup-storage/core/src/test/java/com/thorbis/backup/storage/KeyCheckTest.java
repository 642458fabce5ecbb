package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is told of the recipients of a repository. */
class KeyCheckTest {
  @TempDir Path state;

  private final Service service = new Service("vault-1");
  private final MemoryObjectStore store = MemoryObjectStore.create();
  private Repository repository;

  @BeforeEach
  void create() throws IOException {
    RepositorySetup setup = TestRepository.setup(store, state).recipient(service).build();
    TestRepository.FACTORY.init(setup);
    repository = TestRepository.FACTORY.open(setup);
  }

  @AfterEach
  void close() throws IOException {
    repository.close();
  }

  @Test
  void aKeyThatOpensAndStaysIsWell() throws IOException {
    assertThat(item().outcome()).isEqualTo(Outcome.OK);
  }

  @Test
  void aKeyThatIsScheduledForDestructionIsAnAlarmWithItsInstant() throws IOException {
    service.state =
        new KeyState.PendingDeletion(Optional.of(Instant.parse("2026-12-24T18:00:00Z")));
    assertThat(item().outcome()).isEqualTo(Outcome.FAIL);
    assertThat(item().message()).contains("vault-1").contains("2026-12-24T18:00:00Z");
    service.refusal = failure("key.refused", FailureKind.PERMANENT);
    assertThat(item().message()).contains("destruction").contains("2026-12-24T18:00:00Z");
  }

  @Test
  void aDisabledKeySaysWhy() throws IOException {
    service.state = new KeyState.Disabled("version 3 is disabled");
    assertThat(item().outcome()).isEqualTo(Outcome.FAIL);
    assertThat(item().message()).contains("version 3 is disabled");
  }

  @Test
  void aServiceThatIsDownIsNotTakenForALostKey() throws IOException {
    service.refusal = failure("key.unreachable", FailureKind.TRANSIENT);
    service.silence = service.refusal;
    assertThat(item().outcome()).isEqualTo(Outcome.FAIL);
    assertThat(item().message()).contains("could not be asked").doesNotContain("does not open");
    assertThat(item().remedy()).isEqualTo("Look at it.");

    service.refusal = failure("key.lost", FailureKind.NOT_FOUND);
    service.silence = service.refusal;
    assertThat(item().message()).contains("does not open").doesNotContain("could not be asked");
  }

  @Test
  void aKeyThatOpensAndDoesNotTellItsStateIsAWarning() throws IOException {
    service.silence = failure("key.refused", FailureKind.PERMANENT);
    assertThat(item().outcome()).isEqualTo(Outcome.WARN);
    assertThat(item().message()).contains("opens").contains("unknown");
  }

  @Test
  void anInterruptIsNoAnswer() {
    service.silence = new InterruptedIOException("stopped");
    assertThatThrownBy(this::item).isInstanceOf(InterruptedIOException.class);
    service.refusal = new InterruptedIOException("stopped");
    assertThatThrownBy(this::item).isInstanceOf(InterruptedIOException.class);
  }

  @Test
  void sixteenRecipientsEachOpenIt() throws IOException {
    List<Service> services =
        IntStream.rangeClosed(1, 16).mapToObj(i -> new Service("vault-" + i)).toList();
    RepositorySetup.Builder setup = setup();
    services.forEach(setup::recipient);
    MemoryObjectStore wide = MemoryObjectStore.create();
    TestRepository.FACTORY.init(setup.copy(wide).build());
    for (Service alone : services) {
      try (Repository opened =
          TestRepository.FACTORY.open(setup().copy(wide).recipient(alone).build())) {
        List<CheckItem> items = opened.checkKeys();
        assertThat(items).hasSize(16).allMatch(item -> item.outcome() == Outcome.OK);
        assertThat(items.get(0).message()).contains(alone.describe());
      }
    }
  }

  private RepositorySetup.Builder setup() {
    return RepositorySetup.builder()
        .acceptSingleKeyRisk(true)
        .stateDirectory(state)
        .clock(TestRepository.CLOCK);
  }

  private CheckItem item() throws IOException {
    return repository.checkKeys().stream()
        .filter(each -> each.message().contains("vault-1"))
        .findFirst()
        .orElseThrow();
  }

  private static KeyException failure(String code, FailureKind kind) {
    return new KeyException(code, kind, "vault-1: " + code, "vault-1", "Look at it.", null);
  }

  /** A service with one key, which hides what it wraps by flipping its bits. */
  private static final class Service implements KeyProvider {
    private final String name;
    private KeyState state = new KeyState.Usable();
    private IOException refusal;
    private IOException silence;

    Service(String name) {
      this.name = name;
    }

    @Override
    public String scheme() {
      return "service";
    }

    @Override
    public String keyId() {
      return name;
    }

    @Override
    public String describe() {
      return "service " + name;
    }

    @Override
    public boolean canUnwrap() {
      return true;
    }

    @Override
    public WrappedKey wrap(DataKey key, KeyContext context) {
      return WrappedKey.of("service", name, key.use(Service::flip));
    }

    @Override
    public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws IOException {
      if (refusal != null) {
        throw refusal;
      }
      if (!wrapped.keyId().equals(name)) {
        throw failure("key.refused", FailureKind.PERMANENT);
      }
      return DataKey.copyOf(flip(wrapped.ciphertext()));
    }

    @Override
    public KeyState state() throws IOException {
      if (silence != null) {
        throw silence;
      }
      return state;
    }

    @Override
    public void close() {}

    private static byte[] flip(byte[] bytes) {
      byte[] flipped = bytes.clone();
      for (int i = 0; i < flipped.length; i++) {
        flipped[i] ^= (byte) 0xff;
      }
      return flipped;
    }
  }
}
