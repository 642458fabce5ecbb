package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.PublicKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.apache.sshd.client.ClientBuilder;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.auth.pubkey.UserAuthPublicKeyFactory;
import org.apache.sshd.client.channel.ChannelExec;
import org.apache.sshd.client.channel.ClientChannelEvent;
import org.apache.sshd.client.config.hosts.HostConfigEntryResolver;
import org.apache.sshd.client.config.hosts.KnownHostEntry;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.NamedFactory;
import org.apache.sshd.common.NamedResource;
import org.apache.sshd.common.config.keys.FilePasswordProvider;
import org.apache.sshd.common.config.keys.KeyUtils;
import org.apache.sshd.common.config.keys.PublicKeyEntryResolver;
import org.apache.sshd.common.keyprovider.KeyIdentityProvider;
import org.apache.sshd.common.signature.Signature;
import org.apache.sshd.common.util.security.SecurityUtils;
import org.eclipse.jgit.errors.TransportException;
import org.eclipse.jgit.transport.CredentialsProvider;
import org.eclipse.jgit.transport.RemoteSession;
import org.eclipse.jgit.transport.SshSessionFactory;
import org.eclipse.jgit.transport.URIish;
import org.eclipse.jgit.util.FS;
import org.jspecify.annotations.Nullable;

/**
 * Git over SSH with one key, and to hosts whose keys are known before. Reads no file of an account:
 * no configuration, no agent, no key and no list of hosts but those it was given.
 */
final class SshSessions extends SshSessionFactory {
  private static final String CERTIFICATE_AUTHORITY = "cert-authority";
  private static final String REVOKED = "revoked";

  private final SecretValue key;
  private final Optional<SecretValue> passphrase;
  private final String knownHosts;
  private final Duration silence;

  /**
   * With a key.
   *
   * @param key as {@code ssh-keygen} writes it; closed with this
   * @param passphrase of the key
   * @param knownHosts lines as {@code known_hosts} has them, or the path of a file of such
   */
  SshSessions(
      SecretValue key, Optional<SecretValue> passphrase, String knownHosts, Duration silence) {
    this.key = key;
    this.passphrase = passphrase;
    this.knownHosts = knownHosts;
    this.silence = silence;
  }

  private List<KnownHostEntry> known() {
    try {
      String lines =
          knownHosts.startsWith("/") ? Files.readString(Path.of(knownHosts)) : knownHosts;
      return KnownHostEntry.readKnownHostEntries(new StringReader(lines), true);
    } catch (IOException | RuntimeException e) {
      throw invalid(
          "known-hosts cannot be read",
          "Write lines as ssh-keyscan prints them: HOST KIND KEY, or the absolute path of a file"
              + " that has such.");
    }
  }

  private static BackupException invalid(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }

  /** Without the cause, which may quote what is read. */
  private List<KeyPair> identities() {
    List<KeyPair> pairs = new ArrayList<>();
    FilePasswordProvider words =
        passphrase
            .map(secret -> secret.useChars(String::new))
            .map(FilePasswordProvider::of)
            .orElse(FilePasswordProvider.EMPTY);
    boolean read =
        key.useBytes(
            bytes -> {
              try (InputStream in = new ByteArrayInputStream(bytes)) {
                Iterable<KeyPair> found =
                    SecurityUtils.loadKeyPairIdentities(
                        null, NamedResource.ofName("ssh-key"), in, words);
                if (found != null) {
                  found.forEach(pairs::add);
                }
                return !pairs.isEmpty();
              } catch (IOException | GeneralSecurityException | RuntimeException e) {
                return false;
              }
            });
    if (!read) {
      throw invalid(
          "ssh-key is no private key that can be read"
              + (passphrase.isPresent() ? " with ssh-passphrase" : " without a passphrase"),
          "Give one as ssh-keygen -t ed25519 writes it, and its ssh-passphrase if it has one.");
    }
    return pairs;
  }

  @Override
  public String getType() {
    return "thorbis";
  }

  @Override
  public RemoteSession getSession(
      URIish uri, @Nullable CredentialsProvider credentials, FS fs, int milliseconds)
      throws TransportException {
    String host = uri.getHost();
    String user = uri.getUser();
    int port = uri.getPort() > 0 ? uri.getPort() : 22;
    if (host == null || user == null) {
      throw new TransportException(uri, "no host, or no account");
    }
    Trusted trusted = trusted(host, port);
    SshClient client = SshClient.setUpDefaultClient();
    boolean whole = false;
    try {
      client.setHostConfigEntryResolver(HostConfigEntryResolver.EMPTY);
      client.setKeyIdentityProvider(KeyIdentityProvider.EMPTY_KEYS_PROVIDER);
      client.setServerKeyVerifier((session, address, shown) -> trusted.accepts(shown));
      UserAuthPublicKeyFactory byKey = new UserAuthPublicKeyFactory();
      byKey.setSignatureFactories(client.getSignatureFactories());
      client.setUserAuthFactories(List.of(byKey));
      client.setSignatureFactories(trusted.signatures());
      List<KeyPair> identities = identities();
      client.start();
      Session session = open(client, user, host, port, identities, trusted);
      whole = true;
      return session;
    } finally {
      if (!whole) {
        client.stop();
      }
    }
  }

  private Session open(
      SshClient client,
      String user,
      String host,
      int port,
      List<KeyPair> identities,
      Trusted trusted)
      throws TransportException {
    ClientSession session;
    try {
      session = client.connect(user, host, port).verify(silence).getSession();
    } catch (IOException e) {
      throw trusted.failure(unreachable(host, port));
    }
    try {
      identities.forEach(session::addPublicKeyIdentity);
      // The host is asked for its key before anything is said about ours.
      Set<ClientSession.ClientSessionEvent> events =
          session.waitFor(
              EnumSet.of(
                  ClientSession.ClientSessionEvent.WAIT_AUTH,
                  ClientSession.ClientSessionEvent.CLOSED),
              silence);
      if (!events.contains(ClientSession.ClientSessionEvent.WAIT_AUTH)) {
        throw trusted.failure(unreachable(host, port));
      }
      session.auth().verify(silence);
      return new Session(client, session);
    } catch (TransportException e) {
      throw e;
    } catch (IOException e) {
      throw trusted.failure(
          BackupException.of(
                  "application.unauthorized",
                  FailureKind.PERMANENT,
                  host + " does not accept ssh-key for " + user)
              .remedy("Add the public key there, as one that may read the repository.")
              .build());
    }
  }

  private static BackupException unreachable(String host, int port) {
    return BackupException.of(
            "application.unavailable",
            FailureKind.TRANSIENT,
            host + ":" + port + " could not be reached over SSH")
        .remedy(
            "Look at the network and the service; it must offer a key of a kind that known-hosts"
                + " has for it.")
        .build();
  }

  private Trusted trusted(String host, int port) throws TransportException {
    List<PublicKey> keys = new ArrayList<>();
    List<PublicKey> revoked = new ArrayList<>();
    for (KnownHostEntry entry : known()) {
      String marker = entry.getMarker();
      if (!entry.isHostMatch(host, port) || CERTIFICATE_AUTHORITY.equals(marker)) {
        continue;
      }
      try {
        PublicKey one =
            entry.getKeyEntry().resolvePublicKey(null, null, PublicKeyEntryResolver.IGNORING);
        if (one != null) {
          (REVOKED.equals(marker) ? revoked : keys).add(one);
        }
      } catch (IOException | GeneralSecurityException | RuntimeException e) {
        // A kind of key that is not understood is no key that could be known.
      }
    }
    if (keys.isEmpty()) {
      String name = port == 22 ? host : "[" + host + "]:" + port;
      BackupException unknown =
          BackupException.of(
                  "application.host-unknown",
                  FailureKind.REFUSED,
                  name + " is not in known-hosts: nothing was sent to it")
              .remedy(
                  "Run ssh-keyscan -p "
                      + port
                      + " "
                      + host
                      + ", compare the key with what its operator publishes, and add the line to"
                      + " known-hosts.")
              .build();
      throw new TransportException("unknown host", unknown);
    }
    return new Trusted(host, keys, revoked);
  }

  /** The keys by which a host is known. */
  private static final class Trusted {
    private final String host;
    private final List<PublicKey> keys;
    private final List<PublicKey> revoked;
    private volatile @Nullable String other;

    Trusted(String host, List<PublicKey> keys, List<PublicKey> revoked) {
      this.host = host;
      this.keys = keys;
      this.revoked = revoked;
    }

    boolean accepts(PublicKey shown) {
      boolean accepted = isIn(shown, keys) && !isIn(shown, revoked);
      if (!accepted) {
        other = KeyUtils.getFingerPrint(shown);
      }
      return accepted;
    }

    private static boolean isIn(PublicKey one, List<PublicKey> keys) {
      return keys.stream().anyMatch(each -> KeyUtils.compareKeys(each, one));
    }

    /** Of the kinds that are known: a host has several keys, and shows one that is asked for. */
    List<NamedFactory<Signature>> signatures() {
      Set<String> kinds = new TreeSet<>();
      for (PublicKey one : keys) {
        String kind = KeyUtils.getKeyType(one);
        kinds.addAll(
            "ssh-rsa".equals(kind) ? List.of("rsa-sha2-256", "rsa-sha2-512") : List.of(kind));
      }
      return ClientBuilder.setUpDefaultSignatureFactories(true).stream()
          .filter(one -> kinds.contains(one.getName()))
          .toList();
    }

    TransportException failure(BackupException otherwise) {
      String shown = other;
      BackupException why =
          shown == null
              ? otherwise
              : BackupException.of(
                      "application.host-key",
                      FailureKind.REFUSED,
                      host
                          + " shows the key "
                          + shown
                          + ", which is another than known-hosts has: somebody may stand between,"
                          + " and nothing was sent")
                  .remedy(
                      "Ask its operator whether the key was changed; if so, put the new one into"
                          + " known-hosts.")
                  .build();
      return new TransportException("SSH", why);
    }
  }

  private static final class Session implements RemoteSession {
    private final SshClient client;
    private final ClientSession session;

    Session(SshClient client, ClientSession session) {
      this.client = client;
      this.session = session;
    }

    @Override
    public Process exec(String command, int seconds) throws IOException {
      ChannelExec channel = session.createExecChannel(command);
      channel.open().verify(seconds <= 0 ? 60 : seconds, TimeUnit.SECONDS);
      return new Running(channel);
    }

    @Override
    public void disconnect() {
      session.close(true);
      client.stop();
    }
  }

  /** A command at the other end. */
  private static final class Running extends Process {
    private final ChannelExec channel;

    Running(ChannelExec channel) {
      this.channel = channel;
    }

    @Override
    public OutputStream getOutputStream() {
      return channel.getInvertedIn();
    }

    @Override
    public InputStream getInputStream() {
      return channel.getInvertedOut();
    }

    @Override
    public InputStream getErrorStream() {
      return channel.getInvertedErr();
    }

    @Override
    public int waitFor() {
      Collection<ClientChannelEvent> unused =
          channel.waitFor(EnumSet.of(ClientChannelEvent.CLOSED), 0L);
      return exitValue();
    }

    @Override
    public boolean waitFor(long time, TimeUnit unit) {
      return channel
          .waitFor(EnumSet.of(ClientChannelEvent.CLOSED), unit.toMillis(time))
          .contains(ClientChannelEvent.CLOSED);
    }

    @Override
    public int exitValue() {
      Integer status = channel.getExitStatus();
      if (status == null) {
        if (channel.isClosed()) {
          return -1;
        }
        throw new IllegalThreadStateException("It runs");
      }
      return status;
    }

    @Override
    public void destroy() {
      channel.close(true);
    }
  }

  void close() {
    key.close();
    passphrase.ifPresent(SecretValue::close);
  }
}
