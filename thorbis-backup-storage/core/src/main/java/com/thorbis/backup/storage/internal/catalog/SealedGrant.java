package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.SealedWriterRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What an administrator tells a host that opens nothing.
 *
 * @param repository where what it stores is to go
 * @param writer what it is called
 * @param key tells what it signed
 * @param recipients who opens what it stores
 * @param sources what it stores things of
 * @param createdAt when it was told
 */
public record SealedGrant(
    ObjectId repository,
    String writer,
    SigningPublicKey key,
    List<RecoveryPublicKey> recipients,
    List<Source> sources,
    Instant createdAt) {
  private static final ObjectKey NAME = new ObjectKey("sealed-writer");
  private static final String FORMAT = "thorbis-sealed-writer";
  private static final int VERSION = 1;

  /** Copies the lists. */
  public SealedGrant {
    recipients = List.copyOf(recipients);
    sources = List.copyOf(sources);
  }

  /**
   * A source, and the life of it that the host sees.
   *
   * @param incarnation the id of that life
   * @param cluster empty for one that the repository does not know yet, or that has no server
   */
  public record Source(String name, String incarnation, Optional<ClusterIdentity> cluster) {
    private Map<String, Object> document() {
      Map<String, Object> document = Json.object();
      document.put("name", name);
      document.put("incarnation", incarnation);
      cluster.ifPresent(known -> document.put("cluster", StoredBackup.clusterDocument(known)));
      return document;
    }
  }

  /**
   * What a host is told that is to write to a repository, and to open nothing.
   *
   * @param signer an administrator's
   * @throws RepositoryException if it is not, there is no such writer, or nobody could open what it
   *     stores
   */
  public static String of(
      Bootstrap.Opened opened,
      Optional<Signer> signer,
      SealedWriterRequest request,
      Registrar registrar,
      Instant now)
      throws IOException {
    opened.log().refresh();
    Catalog catalog = opened.log().catalog();
    Operation.Writers.Writer writer = WriterChanges.require(catalog.writers(), request.writer());
    if (signer.isEmpty()) {
      throw WriterChanges.noSigningKey();
    }
    SigningPublicKey own = SigningPublicKey.of(signer.get().publicKey());
    if (catalog.writers().stream().noneMatch(one -> one.administrator() && one.key().equals(own))) {
      throw new RepositoryException(
          "keys.not-administrator",
          FailureKind.REFUSED,
          "Who writes without opening anything is for an administrator to say",
          Map.of(),
          "Run it with repository.signing-key set to an administrator's.",
          null);
    }
    List<RecoveryPublicKey> recipients = new ArrayList<>();
    for (KeyProvider recipient : opened.keys().recipientsLike(opened.header().tree())) {
      if (recipient instanceof RecoveryKeyProvider recovery) {
        recovery.publicKey().ifPresent(recipients::add);
      }
    }
    if (recipients.isEmpty()) {
      throw new RepositoryException(
          "keys.no-public-recipient",
          FailureKind.REFUSED,
          "The repository has no recipient with a public half: nobody could open what that host"
              + " stores",
          Map.of(),
          "Add a recipient recovery:PUBLIC-KEY to repository.encryption.recipients, with its"
              + " key-file on the host that takes in what is stored, and run keys rewrap.",
          null);
    }
    List<Source> sources = new ArrayList<>();
    for (String name : request.sources()) {
      Optional<SourceInfo.Incarnation> life =
          catalog.source(name).map(source -> source.info().current());
      sources.add(
          new Source(
              name,
              life.map(SourceInfo.Incarnation::id).orElseGet(registrar::drawIncarnation),
              life.flatMap(SourceInfo.Incarnation::server)));
    }
    return new SealedGrant(
            opened.header().id(), writer.name(), writer.key(), recipients, sources, now)
        .sign(signer.get());
  }

  /** The source of this name. */
  public Optional<Source> source(String name) {
    return sources.stream().filter(source -> source.name().equals(name)).findFirst();
  }

  /** The text, signed. */
  public String sign(Signer administrator) throws IOException {
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("repository", repository);
    document.put("writer", writer);
    document.put("key", HexFormat.of().formatHex(key.encoded()));
    document.put("recipients", recipients.stream().map(RecoveryPublicKey::text).toList());
    document.put("sources", sources.stream().map(Source::document).toList());
    document.put("createdAt", createdAt);
    return new String(
        Signature.add(Json.write(document), repository, NAME, administrator),
        StandardCharsets.UTF_8);
  }

  /**
   * Takes it apart, and believes it if one of these administrators has signed it.
   *
   * @throws RepositoryException code {@code repository.sealed-writer-invalid}
   */
  public static SealedGrant read(String text, List<String> administrators)
      throws RepositoryException {
    List<SigningPublicKey> pinned = Authority.of(administrators).pinned();
    if (pinned.isEmpty()) {
      throw invalid("repository.administrators says nobody who could have signed it", null);
    }
    byte[] bytes = text.strip().getBytes(StandardCharsets.UTF_8);
    SealedGrant grant;
    try {
      grant = read(Json.read(bytes, NAME.value()));
    } catch (RepositoryException e) {
      throw invalid(String.valueOf(e.getMessage()), e);
    }
    Optional<Signature> signature = Signature.of(bytes, grant.repository(), NAME);
    if (signature.isEmpty() || !signature.get().genuine()) {
      throw invalid("nobody has signed it as it is", null);
    }
    if (!pinned.contains(signature.get().key())) {
      throw invalid(
          signature.get().key() + " has signed it, who is none of repository.administrators", null);
    }
    return grant;
  }

  private static SealedGrant read(Json.Node node) throws RepositoryException {
    if (!node.text("format").equals(FORMAT) || node.number("version") != VERSION) {
      throw node.wrong("format", "not " + FORMAT + " of version " + VERSION);
    }
    List<Source> sources = new ArrayList<>();
    for (Json.Node source : node.nodes("sources")) {
      Optional<Json.Node> cluster = source.optionalNode("cluster");
      String incarnation = source.text("incarnation");
      if (!incarnation.matches("[0-9a-f]{16}")) {
        throw source.wrong("incarnation", "not 16 hexadecimal digits");
      }
      sources.add(
          new Source(
              source.text("name"),
              incarnation,
              cluster.isEmpty()
                  ? Optional.empty()
                  : Optional.of(StoredBackup.readCluster(cluster.get()))));
    }
    return new SealedGrant(
        node.parse("repository", ObjectId::parse),
        node.text("writer"),
        node.parse("key", hex -> SigningPublicKey.of(HexFormat.of().parseHex(hex))),
        node.parseAll("recipients", RecoveryPublicKey::parse),
        sources,
        node.instant("createdAt"));
  }

  private static RepositoryException invalid(String problem, @Nullable RepositoryException cause) {
    return new RepositoryException(
        "repository.sealed-writer-invalid",
        FailureKind.CONFIGURATION,
        "What this host was told of the repository cannot be believed: " + problem,
        Map.of(),
        "Let an administrator run keys sealed-writer again, bring the file here as it is, and set"
            + " repository.administrators to their public key.",
        cause);
  }
}
