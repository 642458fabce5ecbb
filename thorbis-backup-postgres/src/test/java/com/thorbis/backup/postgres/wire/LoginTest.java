package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.Sources;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LoginTest {
  private final ByteArrayOutputStream sent = new ByteArrayOutputStream();

  private final class Hostile extends Socket {
    private final InputStream in;

    Hostile(byte[]... messages) {
      InputStream all = InputStream.nullInputStream();
      for (byte[] message : messages) {
        all = new SequenceInputStream(all, new ByteArrayInputStream(message));
      }
      in = all;
    }

    @Override
    public InputStream getInputStream() {
      return in;
    }

    @Override
    public OutputStream getOutputStream() {
      return sent;
    }

    @Override
    public void setSoTimeout(int millis) {}

    @Override
    public void close() {}
  }

  private static byte[] authentication(int request, String rest) {
    byte[] text = rest.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(9 + text.length)
        .put((byte) 'R')
        .putInt(8 + text.length)
        .putInt(request)
        .put(text)
        .array();
  }

  private void logIn(String url, byte[]... messages) throws IOException {
    PostgresSettings settings =
        Sources.settings(Path.of("."), url, "orders", "password", "s3cret-words");
    Hostile socket = new Hostile(messages);
    ReplicationConnection.over(
            settings, new Cancellation(), new Transport(socket, socket, Optional.empty()))
        .close();
  }

  private static final String REMOTE = "jdbc:postgresql://192.0.2.1/orders";
  private static final String LOCAL = "jdbc:postgresql://127.0.0.1:1/orders";

  @ParameterizedTest
  @ValueSource(ints = {0, 3, 5})
  void tellsAServerElsewhereNothingForLessThanScram(int request) {
    assertThatThrownBy(() -> logIn(REMOTE, authentication(request, "salt")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("postgres.authentication-refused"));
    assertThat(sent.toString(StandardCharsets.ISO_8859_1)).doesNotContain("s3cret", "md5");
  }

  @Test
  void takesNoSuccessBeforeTheServerHasProvenItself() {
    assertThatThrownBy(
            () -> logIn(LOCAL, authentication(10, "SCRAM-SHA-256\0\0"), authentication(0, "")))
        .isInstanceOf(ProtocolException.class);
  }

  @Test
  void refusesWaysThatItDoesNotKnow() {
    assertThatThrownBy(() -> logIn(LOCAL, authentication(7, "")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("kind 7");
    assertThatThrownBy(() -> logIn(LOCAL, authentication(10, "GS2-KRB5\0\0")))
        .isInstanceOf(BackupException.class);
  }

  @Test
  void boundsTheListOfWays() {
    assertThatThrownBy(() -> logIn(LOCAL, authentication(10, "x\0".repeat(1000) + "\0")))
        .isInstanceOf(IOException.class);
  }

  @Test
  void refusesWhatCannotBeBoundWhereThatIsDemanded() {
    assertThatThrownBy(
            () ->
                logIn(
                    LOCAL + "?channel_binding=require",
                    authentication(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("postgres.authentication-refused"));
  }

  @Test
  void asksForReplicationAndForNoOptions() {
    assertThatThrownBy(() -> logIn(LOCAL, new byte[0])).isInstanceOf(IOException.class);
    assertThat(sent.toString(StandardCharsets.ISO_8859_1))
        .contains("user\0orders\0", "replication\0true\0")
        .doesNotContain("options");
  }
}
