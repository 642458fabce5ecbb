package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TranscriptTest {
  private static final int MUTATIONS = 4_000;

  private static List<String> expected(int major) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            TranscriptTest.class.getResourceAsStream("transcript-" + major + ".txt"))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
  }

  /** Runs a session over what may be nonsense; only the declared failures may come out. */
  private static void survives(byte[] says, String what) {
    try (ReplicationConnection connection = Transcript.client(says)) {
      assertThat(Session.run(connection)).isNotEmpty();
    } catch (IOException | BackupException e) {
      assertThat(e).isNotNull();
    } catch (RuntimeException | Error e) {
      throw new AssertionError(what, e);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 16, 17, 18})
  void understandsWhatServersSaid(int major) throws IOException {
    try (ReplicationConnection connection = Transcript.client(Transcript.recorded(major))) {
      assertThat(Session.run(connection)).isEqualTo(expected(major));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 18})
  void survivesAnEndAtEveryByte(int major) throws IOException {
    byte[] whole = Transcript.recorded(major);
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThatThrownBy(
              () -> {
                try (ReplicationConnection connection = Transcript.client(cut)) {
                  Session.run(connection);
                }
              })
          .as("cut at %d", length)
          .isInstanceOf(IOException.class);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 16, 17, 18})
  void survivesChangedBytes(int major) throws IOException {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    Random random = new Random(seed);
    byte[] whole = Transcript.recorded(major);
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] changed = whole.clone();
      int changes = 1 + random.nextInt(4);
      for (int j = 0; j < changes; j++) {
        changed[random.nextInt(changed.length)] = (byte) random.nextInt(256);
      }
      survives(changed, "seed " + seed + ", change " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 18})
  void survivesWrongLengthsOfEveryMessage(int major) throws IOException {
    byte[] whole = Transcript.recorded(major);
    for (int start : Transcript.starts(whole)) {
      for (int length :
          new int[] {Integer.MIN_VALUE, -1, 0, 3, 4, 5, 1 << 16, 1 << 20, Integer.MAX_VALUE}) {
        byte[] changed = whole.clone();
        ByteBuffer.wrap(changed).putInt(start + 1, length);
        survives(changed, "length " + length + " at " + start);
      }
    }
  }

  @Test
  void aServerThatIsShutDownTalksNoNonsense() throws IOException {
    byte[] whole = Transcript.recorded(18);
    int stream =
        Transcript.starts(whole).stream().filter(at -> whole[at] == 'W').findFirst().orElseThrow();
    int next = stream + 1 + ByteBuffer.wrap(whole).getInt(stream + 1);
    byte[] last = "C\0\0\0\013COPY 0\0".getBytes(StandardCharsets.US_ASCII);
    byte[] says = Arrays.copyOf(whole, next + last.length);
    System.arraycopy(last, 0, says, next, last.length);
    try (ReplicationConnection connection = Transcript.client(says)) {
      assertThatThrownBy(() -> Session.run(connection))
          .isInstanceOf(EOFException.class)
          .hasMessageContaining("shut down");
    }
  }

  @Test
  void believesNoLengthBeyondItsBounds() {
    byte[] huge = ByteBuffer.allocate(5).put((byte) 'R').putInt(1 << 30).array();
    assertThatThrownBy(() -> Transcript.client(huge).close())
        .isInstanceOf(ProtocolException.class)
        .hasMessageContaining("message 'R'");
  }

  @Test
  void showsNoControlCharactersOfAServer() {
    byte[] text = "SFATAL\0C28000\0Mgo\u001b[2Jne\0\0".getBytes(StandardCharsets.UTF_8);
    byte[] error =
        ByteBuffer.allocate(5 + text.length)
            .put((byte) 'E')
            .putInt(4 + text.length)
            .put(text)
            .array();
    assertThatThrownBy(() -> Transcript.client(error).close())
        .isInstanceOf(ServerException.class)
        .hasMessage("go [2Jne [28000]");
  }
}
