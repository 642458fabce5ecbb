package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Who vouches for a document: its last field, in one form, over all bytes before it. So the bytes
 * that were signed are the bytes that lie there, and readers who know of no signatures read the
 * document as any other.
 *
 * @param key whose it says it is
 * @param genuine whether it is, over this document, under this name, in this repository
 */
record Signature(SigningPublicKey key, boolean genuine) {
  private static final String LABEL = "thorbis/v1/signature";
  private static final HexFormat HEX = HexFormat.of();
  private static final String KEY = ",\"signature\":{\"key\":\"";
  private static final String VALUE = "\",\"value\":\"";
  private static final String END = "\"}}";
  private static final int LENGTH =
      KEY.length()
          + 2 * SigningPublicKey.LENGTH
          + VALUE.length()
          + 2 * SigningPublicKey.SIGNATURE
          + END.length();
  private static final Pattern FORM =
      Pattern.compile(
          Pattern.quote(KEY)
              + "([0-9a-f]{"
              + 2 * SigningPublicKey.LENGTH
              + "})"
              + Pattern.quote(VALUE)
              + "([0-9a-f]{"
              + 2 * SigningPublicKey.SIGNATURE
              + "})"
              + Pattern.quote(END));

  /** The document with a signature. */
  static byte[] add(byte[] document, ObjectId repository, ObjectKey name, Signer signer)
      throws IOException {
    byte[] key = signer.publicKey();
    byte[] value = signer.sign(message(document, repository, name));
    ByteArrayOutputStream signed = new ByteArrayOutputStream(document.length + LENGTH);
    signed.write(document, 0, document.length - 1); // up to the bracket that ends it
    String field = KEY + HEX.formatHex(key) + VALUE + HEX.formatHex(value) + END;
    signed.writeBytes(field.getBytes(StandardCharsets.US_ASCII));
    return signed.toByteArray();
  }

  /** The signature of a document; empty if it has none in the form that counts. */
  static Optional<Signature> of(byte[] document, ObjectId repository, ObjectKey name) {
    int at = document.length - LENGTH;
    if (at < 1) {
      return Optional.empty();
    }
    Matcher form = FORM.matcher(new String(document, at, LENGTH, StandardCharsets.ISO_8859_1));
    if (!form.matches()) {
      return Optional.empty();
    }
    SigningPublicKey key;
    try {
      key = SigningPublicKey.of(HEX.parseHex(form.group(1)));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // nobody can have such a key
    }
    byte[] signed = Arrays.copyOf(document, at + 1);
    signed[at] = '}';
    return Optional.of(
        new Signature(
            key, key.verifies(message(signed, repository, name), HEX.parseHex(form.group(2)))));
  }

  private static byte[] message(byte[] document, ObjectId repository, ObjectKey name) {
    ByteArrayOutputStream message = new ByteArrayOutputStream(document.length + 128);
    put(message, LABEL.getBytes(StandardCharsets.US_ASCII));
    put(message, repository.bytes());
    put(message, name.value().getBytes(StandardCharsets.UTF_8));
    put(message, document);
    return message.toByteArray();
  }

  private static void put(ByteArrayOutputStream to, byte[] bytes) {
    to.writeBytes(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
    to.writeBytes(bytes);
  }
}
