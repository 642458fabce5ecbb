package com.thorbis.backup.testkit.cloud;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * TLS for a service on this host, under a new certificate for {@code localhost} that signs itself.
 *
 * @param server for the service
 * @param client for those who talk to it: trusts this certificate alone
 */
public record LoopbackTls(SSLContext server, SSLContext client) {
  private static final char[] PASSWORD = "of a temporary file".toCharArray();

  /** Makes a certificate, which takes a second. */
  public static LoopbackTls create() throws IOException {
    Path folder = Files.createTempDirectory("thorbis-tls");
    Path file = folder.resolve("server.p12");
    try {
      Process keytool =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                  "-genkeypair",
                  "-keystore",
                  file.toString(),
                  "-storetype",
                  "PKCS12",
                  "-storepass",
                  new String(PASSWORD),
                  "-alias",
                  "server",
                  "-keyalg",
                  "EC",
                  "-groupname",
                  "secp256r1",
                  "-dname",
                  "CN=localhost",
                  "-ext",
                  "san=dns:localhost,ip:127.0.0.1",
                  "-validity",
                  "3650")
              .redirectErrorStream(true)
              .start();
      String said;
      try (InputStream out = keytool.getInputStream()) {
        said = new String(out.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
      }
      if (keytool.waitFor() != 0) {
        throw new IOException("keytool made no certificate: " + said);
      }
      return of(Files.readAllBytes(file));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("Interrupted while a certificate was made", e);
    } finally {
      Files.deleteIfExists(file);
      Files.delete(folder);
    }
  }

  private static LoopbackTls of(byte[] keystore) throws IOException {
    try {
      KeyStore own = KeyStore.getInstance("PKCS12");
      own.load(new ByteArrayInputStream(keystore), PASSWORD);
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(own, PASSWORD);
      SSLContext server = SSLContext.getInstance("TLS");
      server.init(keys.getKeyManagers(), null, null);

      KeyStore known = KeyStore.getInstance("PKCS12");
      known.load(null, null);
      known.setCertificateEntry("server", own.getCertificate("server"));
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(known);
      SSLContext client = SSLContext.getInstance("TLS");
      client.init(null, trust.getTrustManagers(), null);
      return new LoopbackTls(server, client);
    } catch (GeneralSecurityException e) {
      throw new IOException("The certificate cannot be used", e);
    }
  }
}
