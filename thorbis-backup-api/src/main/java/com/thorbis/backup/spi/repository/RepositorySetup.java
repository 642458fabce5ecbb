package com.thorbis.backup.spi.repository;

import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a repository is opened with. The stores and recipients stay the caller's, who closes them
 * after it.
 */
public final class RepositorySetup {
  private final List<Copy> copies;
  private final WritePolicy writePolicy;
  private final List<KeyProvider> recipients;
  private final boolean singleKeyRiskAccepted;
  private final Compression compression;
  private final int parallelism;
  private final Path stateDirectory;
  private final Clock clock;
  private final boolean readOnly;
  private final boolean alone;
  private final @Nullable Signer signer;
  private final List<String> administrators;
  private final @Nullable String sealed;

  private RepositorySetup(Builder builder) {
    this.copies = List.copyOf(builder.copies);
    this.writePolicy = builder.writePolicy;
    this.recipients = List.copyOf(builder.recipients);
    this.singleKeyRiskAccepted = builder.singleKeyRiskAccepted;
    this.compression = builder.compression;
    this.parallelism = builder.parallelism;
    this.stateDirectory = Objects.requireNonNull(builder.stateDirectory, "stateDirectory");
    this.clock = builder.clock;
    this.readOnly = builder.readOnly;
    this.alone = builder.alone;
    this.signer = builder.signer;
    this.administrators = List.copyOf(builder.administrators);
    this.sealed = builder.sealed;
  }

  /** Starts one. */
  public static Builder builder() {
    return new Builder();
  }

  /** The places that hold the same objects; the first decides who writes. */
  public List<Copy> copies() {
    return copies;
  }

  /** When an object counts as written. */
  public WritePolicy writePolicy() {
    return writePolicy;
  }

  /** Who can open it. */
  public List<KeyProvider> recipients() {
    return recipients;
  }

  /** Whether the host accepts that losing one key loses everything. */
  public boolean singleKeyRiskAccepted() {
    return singleKeyRiskAccepted;
  }

  /** How new pieces are compressed. */
  public Compression compression() {
    return compression;
  }

  /** How many threads compress and seal; 1 or more. */
  public int parallelism() {
    return parallelism;
  }

  /** A folder for state that may be lost, such as the remembered head. */
  public Path stateDirectory() {
    return stateDirectory;
  }

  /** The time. */
  public Clock clock() {
    return clock;
  }

  /** Whether it is opened to look only: what verifying found is then not recorded either. */
  public boolean readOnly() {
    return readOnly;
  }

  /** Signs what this host commits; empty: nobody does. */
  public Optional<Signer> signer() {
    return Optional.ofNullable(signer);
  }

  /**
   * Public keys, as text, of those whose list of writers comes first; empty: whichever comes first
   * is taken for the right one.
   */
  public List<String> administrators() {
    return administrators;
  }

  /**
   * What a host was told that only writes, by {@link Repository#sealedWriter}; empty: it opens the
   * repository.
   */
  public Optional<String> sealed() {
    return Optional.ofNullable(sealed);
  }

  /** The same setup with other copies. */
  public RepositorySetup with(List<Copy> others) {
    return with(others, readOnly, alone);
  }

  /** One copy alone, to look only. */
  public RepositorySetup only(Copy copy) {
    return with(List.of(copy), true, true);
  }

  /** Whether the other copies are left out on purpose. */
  public boolean alone() {
    return alone;
  }

  private RepositorySetup with(List<Copy> others, boolean looking, boolean leaving) {
    Builder setup =
        builder()
            .writePolicy(writePolicy)
            .acceptSingleKeyRisk(singleKeyRiskAccepted)
            .compression(compression)
            .parallelism(parallelism)
            .stateDirectory(stateDirectory)
            .clock(clock)
            .readOnly(looking);
    setup.copies.addAll(others);
    setup.recipients.addAll(recipients);
    setup.signer = signer;
    setup.administrators.addAll(administrators);
    setup.sealed = sealed;
    setup.alone = leaving;
    return setup.build();
  }

  /** Collects a setup. */
  public static final class Builder {
    private final List<Copy> copies = new ArrayList<>();
    private WritePolicy writePolicy = WritePolicy.PRIMARY;
    private final List<KeyProvider> recipients = new ArrayList<>();
    private boolean singleKeyRiskAccepted;
    private Compression compression = Compression.DEFAULT;
    private int parallelism = Math.max(1, Runtime.getRuntime().availableProcessors());
    private @Nullable Path stateDirectory;
    private Clock clock = Clock.systemUTC();
    private boolean readOnly;
    private boolean alone;
    private @Nullable Signer signer;
    private final List<String> administrators = new ArrayList<>();
    private @Nullable String sealed;

    private Builder() {}

    /** Adds a copy of which nothing more is said. */
    public Builder copy(ObjectStore store) {
      return copy(Copy.of(store));
    }

    /** Adds a copy; the first one decides who writes. */
    public Builder copy(Copy copy) {
      copies.add(copy);
      return this;
    }

    /** Chooses when an object counts as written. */
    public Builder writePolicy(WritePolicy policy) {
      this.writePolicy = policy;
      return this;
    }

    /** Adds a recipient. */
    public Builder recipient(KeyProvider recipient) {
      recipients.add(recipient);
      return this;
    }

    /** Accepts a single recipient. */
    public Builder acceptSingleKeyRisk(boolean accepted) {
      this.singleKeyRiskAccepted = accepted;
      return this;
    }

    /** Chooses how new pieces are compressed. */
    public Builder compression(Compression compression) {
      this.compression = compression;
      return this;
    }

    /** Chooses how many threads compress and seal. */
    public Builder parallelism(int threads) {
      if (threads < 1 || threads > 256) {
        throw new IllegalArgumentException("parallelism: " + threads + " (1 to 256)");
      }
      this.parallelism = threads;
      return this;
    }

    /** Chooses the folder for local state. */
    public Builder stateDirectory(Path directory) {
      this.stateDirectory = directory;
      return this;
    }

    /** Replaces the system's clock. */
    public Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /** Records nothing by itself. */
    public Builder readOnly(boolean readOnly) {
      this.readOnly = readOnly;
      return this;
    }

    /** Signs what is committed. */
    public Builder signer(Signer signer) {
      this.signer = signer;
      return this;
    }

    /**
     * Adds an administrator: with any, only lists of writers count that go back to one which such a
     * key has signed.
     *
     * @param publicKey as text, with its checksum
     */
    public Builder administrator(String publicKey) {
      administrators.add(publicKey);
      return this;
    }

    /**
     * Only writes, into the one copy, and opens nothing; it needs a {@link #signer}, and the {@link
     * #administrator} who has signed what it was told.
     */
    public Builder sealed(String grant) {
      this.sealed = grant;
      return this;
    }

    /** The setup. */
    public RepositorySetup build() {
      return new RepositorySetup(this);
    }
  }
}
