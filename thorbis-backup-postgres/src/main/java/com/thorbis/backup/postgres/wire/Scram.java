package com.thorbis.backup.postgres.wire;

import com.ongres.saslprep.SASLprep;
import com.thorbis.backup.spi.SecretValue;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The client's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677). */
final class Scram {
  /** The most rounds we compute for a server: about a second of work. */
  static final int MOST_ITERATIONS = 1_000_000;

  private static final int LONGEST_SALT = 1024;
  private static final String MAC = "HmacSHA256";

  private final String header;
  private final byte[] binding;
  private final String nonce;
  private final String firstBare;
  private byte[] expectedSignature = new byte[0];

  /**
   * Starts an exchange.
   *
   * @param header {@code n,,} without channel binding, {@code y,,} where the server does not know
   *     it, or the name of the binding
   * @param binding the bytes that name the TLS channel; empty without binding
   * @param nonce drawn at random, printable
   */
  Scram(String header, byte[] binding, String nonce) {
    this.header = header;
    this.binding = binding.clone();
    this.nonce = nonce;
    this.firstBare = "n=,r=" + nonce;
  }

  /** What we say first. */
  byte[] first() {
    return (header + firstBare).getBytes(StandardCharsets.US_ASCII);
  }

  /** Answers the server's challenge. */
  byte[] answer(byte[] challenge, SecretValue password) throws ProtocolException {
    String serverFirst = new String(challenge, StandardCharsets.UTF_8);
    Map<Character, String> fields = fields(serverFirst);
    String theirs = fields.getOrDefault('r', "");
    if (!theirs.startsWith(nonce) || theirs.length() <= nonce.length()) {
      throw new ProtocolException("a SCRAM nonce that does not extend ours");
    }
    byte[] salt = base64(fields.getOrDefault('s', ""));
    int iterations = iterations(fields.getOrDefault('i', ""));
    if (salt.length == 0 || salt.length > LONGEST_SALT) {
      throw new ProtocolException("a SCRAM salt of " + salt.length + " bytes");
    }

    byte[] bound = header.getBytes(StandardCharsets.US_ASCII);
    byte[] channel = Arrays.copyOf(bound, bound.length + binding.length);
    System.arraycopy(binding, 0, channel, bound.length, binding.length);
    String withoutProof = "c=" + Base64.getEncoder().encodeToString(channel) + ",r=" + theirs;
    byte[] signed =
        (firstBare + "," + serverFirst + "," + withoutProof).getBytes(StandardCharsets.UTF_8);

    byte[] salted = password.useChars(chars -> salted(chars, salt, iterations));
    try {
      byte[] clientKey = mac(salted, "Client Key".getBytes(StandardCharsets.US_ASCII));
      byte[] signature = mac(sha256(clientKey), signed);
      byte[] proof = new byte[clientKey.length];
      for (int i = 0; i < proof.length; i++) {
        proof[i] = (byte) (clientKey[i] ^ signature[i]);
      }
      Arrays.fill(clientKey, (byte) 0);
      byte[] serverKey = mac(salted, "Server Key".getBytes(StandardCharsets.US_ASCII));
      expectedSignature = mac(serverKey, signed);
      return (withoutProof + ",p=" + Base64.getEncoder().encodeToString(proof))
          .getBytes(StandardCharsets.US_ASCII);
    } finally {
      Arrays.fill(salted, (byte) 0);
    }
  }

  /** Checks that the server knows the password too. */
  void verify(byte[] last) throws ProtocolException {
    String signature = fields(new String(last, StandardCharsets.UTF_8)).getOrDefault('v', "");
    if (expectedSignature.length == 0
        || !MessageDigest.isEqual(expectedSignature, base64(signature))) {
      throw new ProtocolException("it could not prove that it knows the password");
    }
  }

  /**
   * The bytes that name a TLS channel by its server's certificate (RFC 5929, tls-server-end-point);
   * empty where the certificate's algorithm has no hash of its own.
   */
  static Optional<byte[]> endPoint(java.security.cert.X509Certificate certificate) {
    String algorithm = certificate.getSigAlgName().toUpperCase(java.util.Locale.ROOT);
    int with = algorithm.indexOf("WITH");
    String hash = with > 0 ? algorithm.substring(0, with) : "";
    String digest =
        switch (hash) {
          case "MD5", "SHA1", "SHA256" -> "SHA-256";
          case "SHA224" -> "SHA-224";
          case "SHA384" -> "SHA-384";
          case "SHA512" -> "SHA-512";
          default -> "";
        };
    if (digest.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(MessageDigest.getInstance(digest).digest(certificate.getEncoded()));
    } catch (GeneralSecurityException e) {
      return Optional.empty();
    }
  }

  private static int iterations(String text) throws ProtocolException {
    try {
      int count = Integer.parseInt(text);
      if (count > 0 && count <= MOST_ITERATIONS) {
        return count;
      }
    } catch (NumberFormatException e) {
      // Reported below like a number out of range.
    }
    throw new ProtocolException(
        "it asks for \"" + shortened(text) + "\" SCRAM rounds (at most " + MOST_ITERATIONS + ")");
  }

  private static byte[] salted(char[] password, byte[] salt, int iterations) {
    char[] prepared;
    try {
      prepared = new SASLprep().prepareStored(password);
    } catch (IllegalArgumentException e) {
      // As PostgreSQL does with what SASLprep does not allow: the password as it is.
      prepared = password.clone();
    }
    ByteBuffer encoded = StandardCharsets.UTF_8.encode(CharBuffer.wrap(prepared));
    byte[] key = new byte[encoded.remaining()];
    encoded.get(key);
    try {
      Mac mac = Mac.getInstance(MAC);
      // A key of no bytes is not accepted here; HMAC pads with zeros, so one zero is the same key.
      mac.init(new SecretKeySpec(key.length == 0 ? new byte[1] : key, MAC));
      mac.update(salt);
      byte[] round = mac.doFinal(new byte[] {0, 0, 0, 1});
      byte[] sum = round.clone();
      for (int i = 1; i < iterations; i++) {
        round = mac.doFinal(round);
        for (int j = 0; j < sum.length; j++) {
          sum[j] ^= round[j];
        }
      }
      return sum;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("The Java runtime has no " + MAC, e);
    } finally {
      Arrays.fill(prepared, '\0');
      Arrays.fill(encoded.array(), (byte) 0);
      Arrays.fill(key, (byte) 0);
    }
  }

  private static byte[] mac(byte[] key, byte[] data) {
    try {
      Mac mac = Mac.getInstance(MAC);
      mac.init(new SecretKeySpec(key, MAC));
      return mac.doFinal(data);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("The Java runtime has no " + MAC, e);
    }
  }

  private static byte[] sha256(byte[] data) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(data);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("The Java runtime has no SHA-256", e);
    }
  }

  private static byte[] base64(String text) throws ProtocolException {
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw new ProtocolException("SCRAM bytes that are not base64");
    }
  }

  private static Map<Character, String> fields(String text) throws ProtocolException {
    Map<Character, String> fields = new HashMap<>();
    for (String part : text.split(",", 8)) {
      if (part.length() < 2 || part.charAt(1) != '=') {
        throw new ProtocolException("a SCRAM message without names");
      }
      char name = part.charAt(0);
      if (name == 'm') {
        throw new ProtocolException("a SCRAM extension that must be understood");
      }
      if (name == 'e') {
        throw new ProtocolException("SCRAM failed: " + shortened(part.substring(2)));
      }
      fields.putIfAbsent(name, part.substring(2));
    }
    return fields;
  }

  private static String shortened(String text) {
    return text.substring(0, Math.min(text.length(), 40)).replaceAll("\\p{Cntrl}", " ");
  }
}
