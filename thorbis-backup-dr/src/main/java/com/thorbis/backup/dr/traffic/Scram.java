package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.dr.internal.Sha256;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding. */
final class Scram {
  private static final int MOST_ROUNDS = 1_000_000;
  private static final String HEADER = "n,,";
  private static final String MAC = "HmacSHA256";

  private final String nonce;
  private byte[] expected = new byte[0];

  Scram() {
    byte[] random = new byte[18];
    new SecureRandom().nextBytes(random);
    nonce = Base64.getEncoder().encodeToString(random);
  }

  byte[] first() {
    return (HEADER + bare()).getBytes(StandardCharsets.US_ASCII);
  }

  byte[] answer(byte[] challenge, SecretValue password) throws IOException {
    String said = new String(challenge, StandardCharsets.UTF_8);
    Map<Character, String> fields = fields(said);
    String both = fields.getOrDefault('r', "");
    String rounds = fields.getOrDefault('i', "");
    byte[] salt = base64(fields.getOrDefault('s', ""));
    if (!both.startsWith(nonce) || both.length() == nonce.length() || salt.length == 0) {
      throw new IOException("a challenge that does not answer ours");
    }
    if (!rounds.matches("[1-9][0-9]{0,6}") || Integer.parseInt(rounds) > MOST_ROUNDS) {
      throw new IOException("asks for more than " + MOST_ROUNDS + " SCRAM rounds");
    }
    if (!password.useBytes(Scram::printable)) {
      throw new Console.Refused("the password has to be printable ASCII for SCRAM here");
    }
    byte[] salted = password.useBytes(key -> salted(key, salt, Integer.parseInt(rounds)));
    try {
      String open = "c=" + Base64.getEncoder().encodeToString(ascii(HEADER)) + ",r=" + both;
      byte[] signed = (bare() + "," + said + "," + open).getBytes(StandardCharsets.UTF_8);
      byte[] proof = mac(salted, ascii("Client Key"));
      byte[] signature = mac(Sha256.of(proof), signed);
      for (int i = 0; i < proof.length; i++) {
        proof[i] ^= signature[i];
      }
      expected = mac(mac(salted, ascii("Server Key")), signed);
      return ascii(open + ",p=" + Base64.getEncoder().encodeToString(proof));
    } finally {
      Arrays.fill(salted, (byte) 0);
    }
  }

  void verify(byte[] last) throws IOException {
    byte[] signature =
        base64(fields(new String(last, StandardCharsets.UTF_8)).getOrDefault('v', ""));
    if (expected.length == 0 || !MessageDigest.isEqual(expected, signature)) {
      throw new IOException("could not prove that it knows the password");
    }
  }

  private String bare() {
    return "n=,r=" + nonce;
  }

  private static boolean printable(byte[] password) {
    for (byte each : password) {
      if (each < 0x20 || each == 0x7F) {
        return false;
      }
    }
    return password.length > 0;
  }

  private static byte[] salted(byte[] key, byte[] salt, int rounds) {
    try {
      Mac mac = Mac.getInstance(MAC);
      mac.init(new SecretKeySpec(key, MAC));
      mac.update(salt);
      byte[] round = mac.doFinal(new byte[] {0, 0, 0, 1});
      byte[] sum = round.clone();
      for (int i = 1; i < rounds; i++) {
        round = mac.doFinal(round);
        for (int j = 0; j < sum.length; j++) {
          sum[j] ^= round[j];
        }
      }
      return sum;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  private static byte[] mac(byte[] key, byte[] data) {
    try {
      Mac mac = Mac.getInstance(MAC);
      mac.init(new SecretKeySpec(key, MAC));
      return mac.doFinal(data);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  private static Map<Character, String> fields(String text) throws IOException {
    Map<Character, String> fields = new HashMap<>();
    for (String part : text.split(",", 8)) {
      if (part.length() < 2 || part.charAt(1) != '=' || part.charAt(0) == 'm') {
        throw new IOException("a SCRAM message of another form");
      }
      if (part.charAt(0) == 'e') {
        throw new Console.Refused("does not accept the password");
      }
      fields.putIfAbsent(part.charAt(0), part.substring(2));
    }
    return fields;
  }

  private static byte[] base64(String text) throws IOException {
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw new IOException("a SCRAM message of another form", e);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
