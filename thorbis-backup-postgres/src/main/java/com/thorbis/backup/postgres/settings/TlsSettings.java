package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.spi.SecretValue;
import java.nio.file.Path;
import java.util.Optional;

/**
 * How a connection is protected.
 *
 * @param mode what is demanded
 * @param rootCertificate the authorities that are trusted, in PEM; empty for the Java runtime's
 * @param certificate our certificate chain, in PEM
 * @param key our private key, PKCS#8 in PEM or DER
 * @param keyPassword opens {@code key}
 * @param direct whether TLS begins without asking first (PostgreSQL 17)
 */
public record TlsSettings(
    Mode mode,
    Optional<Path> rootCertificate,
    Optional<Path> certificate,
    Optional<Path> key,
    Optional<SecretValue> keyPassword,
    boolean direct) {
  /** What is demanded of the connection, in libpq's words. */
  public enum Mode {
    /** Never TLS. */
    DISABLE("disable"),
    /** TLS if the server refuses to talk without. */
    ALLOW("allow"),
    /** TLS if the server has it. */
    PREFER("prefer"),
    /** TLS, with anybody. */
    REQUIRE("require"),
    /** TLS with a server that a trusted authority vouches for. */
    VERIFY_CA("verify-ca"),
    /** TLS with a server that a trusted authority vouches for under the name we asked for. */
    VERIFY_FULL("verify-full");

    private final String label;

    Mode(String label) {
      this.label = label;
    }

    /** The name in settings. */
    public String label() {
      return label;
    }

    /** Whether the server's certificate is checked. */
    public boolean verifies() {
      return this == VERIFY_CA || this == VERIFY_FULL;
    }

    /** Whether a connection without TLS is never made. */
    public boolean demandsTls() {
      return this == REQUIRE || verifies();
    }
  }
}
