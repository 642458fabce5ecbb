package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.SecretValue;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ScramTest {
  private static final String SALT = "QSXCR+Q6sek8bf92";

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] hmac(byte[] key, byte[] data) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(data);
  }

  /** The server's side, from the text of RFC 5802 and the JDK's own key derivation. */
  @Property(tries = 50)
  void aServerThatKnowsThePasswordIsConvinced(
      @ForAll @StringLength(min = 1, max = 40) @CharRange(from = '!', to = '~') String password,
      @ForAll @IntRange(min = 1, max = 5000) int iterations)
      throws Exception {
    Scram client = new Scram("n,,", new byte[0], "abc");
    assertThat(new String(client.first(), StandardCharsets.UTF_8)).isEqualTo("n,,n=,r=abc");
    String serverFirst = "r=abcdef,s=" + SALT + ",i=" + iterations;
    String answer =
        new String(
            client.answer(bytes(serverFirst), SecretValue.ofText(password)),
            StandardCharsets.UTF_8);

    byte[] salted =
        SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
            .generateSecret(
                new PBEKeySpec(
                    password.toCharArray(), Base64.getDecoder().decode(SALT), iterations, 256))
            .getEncoded();
    byte[] clientKey = hmac(salted, bytes("Client Key"));
    byte[] stored = MessageDigest.getInstance("SHA-256").digest(clientKey);
    String withoutProof = "c=biws,r=abcdef";
    byte[] signed = bytes("n=,r=abc," + serverFirst + "," + withoutProof);
    byte[] proof = hmac(stored, signed);
    for (int i = 0; i < proof.length; i++) {
      proof[i] ^= clientKey[i];
    }
    assertThat(answer).isEqualTo(withoutProof + ",p=" + Base64.getEncoder().encodeToString(proof));

    byte[] signature = hmac(hmac(salted, bytes("Server Key")), signed);
    client.verify(bytes("v=" + Base64.getEncoder().encodeToString(signature)));
    signature[0] ^= 1;
    assertThatThrownBy(
            () -> client.verify(bytes("v=" + Base64.getEncoder().encodeToString(signature))))
        .isInstanceOf(ProtocolException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "r=abcdef,s=QSXCR+Q6sek8bf92,i=2147483647",
        "r=abcdef,s=QSXCR+Q6sek8bf92,i=1000001",
        "r=abcdef,s=QSXCR+Q6sek8bf92,i=0",
        "r=abcdef,s=QSXCR+Q6sek8bf92,i=-1",
        "r=abcdef,s=QSXCR+Q6sek8bf92,i=x",
        "r=abcdef,s=QSXCR+Q6sek8bf92",
        "r=abc,s=QSXCR+Q6sek8bf92,i=4096",
        "r=xyz,s=QSXCR+Q6sek8bf92,i=4096",
        "r=abcdef,s=,i=4096",
        "r=abcdef,s=%%%%,i=4096",
        "m=ext,r=abcdef,s=QSXCR+Q6sek8bf92,i=4096",
        "e=other-error",
        "",
        ",,,,",
      })
  void refusesHostileChallenges(String challenge) {
    Scram client = new Scram("n,,", new byte[0], "abc");
    assertThatThrownBy(() -> client.answer(bytes(challenge), SecretValue.ofText("secret")))
        .isInstanceOf(ProtocolException.class);
  }

  @Test
  void believesNoProofBeforeItAnswered() {
    Scram client = new Scram("n,,", new byte[0], "abc");
    assertThatThrownBy(() -> client.verify(bytes("v="))).isInstanceOf(ProtocolException.class);
  }
}
