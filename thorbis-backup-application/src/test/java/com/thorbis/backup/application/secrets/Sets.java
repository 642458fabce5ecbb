package com.thorbis.backup.application.secrets;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.secret.SecretSource;
import com.thorbis.backup.testkit.SettableClock;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What tests of sets need: one repository, one recipient, one clock. */
final class Sets {
  static final ObjectId REPOSITORY = ObjectId.parse("000102030405060708090a0b0c0d0e0f");
  static final SettableClock CLOCK = SettableClock.at(Instant.parse("2026-03-02T00:00:00Z"));
  static final RecoveryKeyProvider RECIPIENT =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));

  private Sets() {}

  /** A set and what was said of it. */
  record Made(byte[] bytes, SecretsBackupReport report) {
    SecretsSet open() throws IOException {
      return Sets.open(bytes, Optional.empty());
    }
  }

  static Made make(Optional<SetOrigin> previous, SecretSource... sources) throws IOException {
    SecretsBackup.Builder builder =
        SecretsBackup.builder("production")
            .repository(REPOSITORY)
            .recipient(RECIPIENT)
            .clock(CLOCK);
    previous.ifPresent(builder::previous);
    for (SecretSource source : sources) {
      builder.source(source);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SecretsBackupReport report = builder.build().run(out);
    return new Made(out.toByteArray(), report);
  }

  static Made make(SecretSource... sources) throws IOException {
    return make(Optional.empty(), sources);
  }

  static SecretsSet open(byte[] bytes, Optional<SetOrigin> newest) throws IOException {
    SecretsSet.Builder set = opening("production");
    newest.ifPresent(set::newest);
    return set.open(new ByteArrayInputStream(bytes));
  }

  static SecretsSet.Builder opening(String set) {
    return SecretsSet.builder(set).repository(REPOSITORY).recipient(RECIPIENT);
  }

  /** A set taken apart, as somebody without any key can. */
  record Parts(byte[] header, byte[] index, List<byte[]> entries, byte[] signature) {
    static Parts of(byte[] set) throws IOException {
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(set));
      SetFormat.Header.decode(in);
      byte[] header = java.util.Arrays.copyOf(set, set.length - in.available());
      byte[] index = in.readNBytes(in.readInt());
      List<byte[]> entries = new ArrayList<>();
      for (int left = in.readInt(); left > 0; left--) {
        entries.add(in.readNBytes(in.readInt()));
      }
      return new Parts(header, index, entries, in.readAllBytes());
    }

    byte[] join() throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.write(header);
      out.writeInt(index.length);
      out.write(index);
      out.writeInt(entries.size());
      for (byte[] entry : entries) {
        out.writeInt(entry.length);
        out.write(entry);
      }
      out.write(signature);
      return bytes.toByteArray();
    }
  }
}
