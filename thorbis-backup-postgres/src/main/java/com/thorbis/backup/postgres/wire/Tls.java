package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import javax.crypto.Cipher;
import javax.crypto.EncryptedPrivateKeyInfo;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/** TLS as the settings demand it, for both kinds of connection alike. */
public final class Tls {
  private static final long LARGEST_FILE = 1 << 20;
  private static final String ALPN = "postgresql";

  private Tls() {}

  /** Everything but the check of the host's name. */
  public static SSLContext context(TlsSettings settings) {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys(settings), trust(settings), null);
      return context;
    } catch (IOException | GeneralSecurityException e) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "The certificates for TLS cannot be used: " + e.getMessage())
          .remedy("Check sslrootcert, sslcert and sslkey of the URL: PEM files, the key in PKCS#8.")
          .cause(e)
          .build();
    }
  }

  /** Puts TLS on a connected socket, and returns after the handshake. */
  static SSLSocket wrap(Socket plain, String host, int port, TlsSettings settings)
      throws IOException {
    SSLSocket socket =
        (SSLSocket) context(settings).getSocketFactory().createSocket(plain, host, port, true);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setProtocols(new String[] {"TLSv1.3", "TLSv1.2"});
    if (settings.mode() == TlsSettings.Mode.VERIFY_FULL) {
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
    }
    if (settings.direct()) {
      parameters.setApplicationProtocols(new String[] {ALPN});
    }
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    if (settings.direct() && !ALPN.equals(socket.getApplicationProtocol())) {
      throw new ProtocolException("it did not agree on the protocol within TLS");
    }
    return socket;
  }

  private static TrustManager[] trust(TlsSettings settings)
      throws IOException, GeneralSecurityException {
    if (!settings.mode().verifies() && settings.rootCertificate().isEmpty()) {
      return new TrustManager[] {new Anybody()};
    }
    KeyStore anchors = null;
    if (settings.rootCertificate().isPresent()) {
      anchors = empty();
      int number = 0;
      for (Certificate certificate : certificates(settings.rootCertificate().get())) {
        anchors.setCertificateEntry("root-" + number++, certificate);
      }
    }
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(anchors);
    return factory.getTrustManagers();
  }

  private static KeyManager[] keys(TlsSettings settings)
      throws IOException, GeneralSecurityException {
    if (settings.certificate().isEmpty() || settings.key().isEmpty()) {
      return new KeyManager[0];
    }
    Collection<? extends Certificate> chain = certificates(settings.certificate().get());
    KeyStore store = empty();
    char[] unused = new char[0];
    store.setKeyEntry(
        "client",
        key(settings.key().get(), settings.keyPassword()),
        unused,
        chain.toArray(new Certificate[0]));
    KeyManagerFactory factory =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    factory.init(store, unused);
    return factory.getKeyManagers();
  }

  private static KeyStore empty() throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }

  private static Collection<? extends Certificate> certificates(Path file)
      throws IOException, CertificateException {
    try (InputStream in = Files.newInputStream(file)) {
      Collection<? extends Certificate> found =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new java.io.ByteArrayInputStream(bounded(file, in)));
      if (found.isEmpty()) {
        throw new CertificateException(file + " holds no certificate");
      }
      return found;
    }
  }

  private static PrivateKey key(Path file, Optional<SecretValue> password)
      throws IOException, GeneralSecurityException {
    byte[] content;
    try (InputStream in = Files.newInputStream(file)) {
      content = bounded(file, in);
    }
    byte[] der = content;
    try {
      String text = new String(content, StandardCharsets.ISO_8859_1);
      boolean encrypted = text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----");
      if (text.contains("-----BEGIN ")) {
        if (!encrypted && !text.contains("-----BEGIN PRIVATE KEY-----")) {
          throw new GeneralSecurityException(
              file + " is not in PKCS#8; convert it with: openssl pkcs8 -topk8");
        }
        der =
            Base64.getMimeDecoder()
                .decode(text.replaceAll("(?s).*?-----BEGIN [^-]*-----|-----END.*", ""));
      }
      PKCS8EncodedKeySpec spec =
          encrypted ? decrypt(file, der, password) : new PKCS8EncodedKeySpec(der);
      for (String algorithm : List.of("RSA", "EC", "Ed25519")) {
        try {
          return KeyFactory.getInstance(algorithm).generatePrivate(spec);
        } catch (java.security.spec.InvalidKeySpecException e) {
          // Of another kind: the next one.
        }
      }
      throw new GeneralSecurityException(file + " is not an RSA, EC or Ed25519 key in PKCS#8");
    } finally {
      Arrays.fill(content, (byte) 0);
      Arrays.fill(der, (byte) 0);
    }
  }

  private static PKCS8EncodedKeySpec decrypt(Path file, byte[] der, Optional<SecretValue> password)
      throws IOException, GeneralSecurityException {
    if (password.isEmpty()) {
      throw new GeneralSecurityException(file + " is encrypted; set tls-key-password");
    }
    EncryptedPrivateKeyInfo info = new EncryptedPrivateKeyInfo(der);
    // For PBES2 the parameters, and only their text, name the whole scheme.
    String scheme =
        info.getAlgName().equals("PBES2") ? info.getAlgParameters().toString() : info.getAlgName();
    PBEKeySpec chars = password.get().useChars(PBEKeySpec::new);
    try {
      Cipher cipher = Cipher.getInstance(scheme);
      cipher.init(
          Cipher.DECRYPT_MODE,
          SecretKeyFactory.getInstance(scheme).generateSecret(chars),
          info.getAlgParameters());
      return info.getKeySpec(cipher);
    } finally {
      chars.clearPassword();
    }
  }

  private static byte[] bounded(Path file, InputStream in) throws IOException {
    byte[] content = in.readNBytes((int) LARGEST_FILE + 1);
    if (content.length > LARGEST_FILE) {
      throw new IOException(file + " is larger than " + LARGEST_FILE + " bytes");
    }
    return content;
  }

  /** The server's certificate after the handshake. */
  static Optional<X509Certificate> certificate(SSLSocket socket) {
    try {
      List<Certificate> chain =
          new ArrayList<>(Arrays.asList(socket.getSession().getPeerCertificates()));
      return chain.get(0) instanceof X509Certificate first ? Optional.of(first) : Optional.empty();
    } catch (javax.net.ssl.SSLPeerUnverifiedException e) {
      return Optional.empty();
    }
  }

  /** For the modes that ask for secrecy without asking who is there. */
  private static final class Anybody extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
