package com.thorbis.backup.testkit.postgres;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;

/** A certificate for 127.0.0.1 and localhost that signs itself. */
final class SelfSignedCertificate {
  private static final char[] PASSWORD = "of a temporary file".toCharArray();

  private SelfSignedCertificate() {}

  /** Writes both files as PEM, the key readable by its owner only. */
  static void create(Path certificate, Path key) throws IOException {
    Path folder = Files.createTempDirectory("thorbis");
    try {
      Path store = folder.resolve("store.p12");
      Command.of(
              Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
              "-genkeypair",
              "-keystore",
              store.toString(),
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
          .run();
      KeyStore loaded = KeyStore.getInstance("PKCS12");
      try (InputStream in = Files.newInputStream(store)) {
        loaded.load(in, PASSWORD);
      }
      Files.writeString(
          certificate, pem("CERTIFICATE", loaded.getCertificate("server").getEncoded()));
      Files.createFile(
          key, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(key, pem("PRIVATE KEY", loaded.getKey("server", PASSWORD).getEncoded()));
    } catch (GeneralSecurityException e) {
      throw new IOException("Cannot make a certificate", e);
    } finally {
      PostgresBinaries.deleteTree(folder);
    }
  }

  private static String pem(String type, byte[] content) {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return "-----BEGIN " + type + "-----\n" + text + "\n-----END " + type + "-----\n";
  }
}
