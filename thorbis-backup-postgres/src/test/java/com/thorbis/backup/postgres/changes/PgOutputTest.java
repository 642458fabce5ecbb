package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.changes.PgOutput.Begin;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.changes.PgOutput.Commit;
import com.thorbis.backup.postgres.changes.PgOutput.Delete;
import com.thorbis.backup.postgres.changes.PgOutput.Insert;
import com.thorbis.backup.postgres.changes.PgOutput.Null;
import com.thorbis.backup.postgres.changes.PgOutput.Relation;
import com.thorbis.backup.postgres.changes.PgOutput.Remark;
import com.thorbis.backup.postgres.changes.PgOutput.Text;
import com.thorbis.backup.postgres.changes.PgOutput.Truncate;
import com.thorbis.backup.postgres.changes.PgOutput.Unchanged;
import com.thorbis.backup.postgres.changes.PgOutput.Update;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PgOutputTest {
  private static final String RELATION =
      "52 00004001 7075626c696300 6f64642022746162c3a90a00 64 0002"
          + " 01 696400 00000017 ffffffff"
          + " 00 6e6f746500 00000413 0000000c";
  private static final String INSERT = "49 00004001 4e 0002 74 00000001 37 6e";
  private static final String KEY_CHANGED =
      "55 00004001 4b 0002 74 00000001 37 6e 4e 0002 74 00000001 38 75";

  @Test
  void aTransactionBeginsAndEnds() throws IOException {
    assertThat(read("42 0000000001234568 0000000000000000 000002f1"))
        .isEqualTo(new Begin(new Lsn(0x1234568), Instant.parse("2000-01-01T00:00:00Z"), 0x2f1));
    assertThat(read("43 00 0000000001234568 0000000001234598 00000000000f4240"))
        .isEqualTo(
            new Commit(
                new Lsn(0x1234568), new Lsn(0x1234598), Instant.parse("2000-01-01T00:00:01Z")));
  }

  @Test
  void aTableHasItsNamesAsTheyAre() throws IOException {
    assertThat(read(RELATION))
        .isEqualTo(
            new Relation(
                0x4001,
                "public",
                "odd \"tab\u00e9\n",
                'd',
                List.of(new Column(true, "id", 23, -1), new Column(false, "note", 1043, 12))));
  }

  @Test
  void rowsComeGoAndBecomeOthers() throws IOException {
    assertThat(read(INSERT)).isEqualTo(new Insert(0x4001, List.of(new Text("7"), new Null())));
    assertThat(read("55 00004001 4e 0002 74 00000001 37 75"))
        .isEqualTo(new Update(0x4001, Optional.empty(), List.of(new Text("7"), new Unchanged())));
    assertThat(read(KEY_CHANGED))
        .isEqualTo(
            new Update(
                0x4001,
                Optional.of(List.of(new Text("7"), new Null())),
                List.of(new Text("8"), new Unchanged())));
    assertThat(read("44 00004001 4f 0002 74 00000001 37 74 00000000"))
        .isEqualTo(new Delete(0x4001, List.of(new Text("7"), new Text(""))));
    assertThat(read("54 00000002 01 00004001 fffffffe"))
        .isEqualTo(new Truncate(List.of(0x4001L, 0xFFFFFFFEL)));
  }

  @Test
  void whatChangesNoRowIsARemark() throws IOException {
    assertThat(read("59 00004001 7000 7100")).isEqualTo(new Remark('Y'));
    assertThat(read("4f 0000000000000001 7000")).isEqualTo(new Remark('O'));
  }

  @ParameterizedTest
  @ValueSource(strings = {RELATION, INSERT, KEY_CHANGED, "54 00000002 01 00004001 fffffffe"})
  void whatBreaksOffOrGoesOnIsNoChange(String whole) {
    byte[] bytes = bytes(whole);
    for (int length = 0; length < bytes.length; length++) {
      ByteBuffer part = ByteBuffer.wrap(bytes, 0, length).slice();
      assertThatThrownBy(() -> PgOutput.read(part))
          .as("%s of %s bytes", length, bytes.length)
          .isInstanceOf(ProtocolException.class);
    }
    assertThatThrownBy(() -> read(whole + " 00")).isInstanceOf(ProtocolException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "58 00004001",
        "49 00004001 4b 0001 6e",
        "49 00004001 4e 0001 62 00000001 37",
        "49 00004001 4e 0001 74 00000002 c328",
        "49 00004001 4e 0001 74 ffffffff",
        "49 00004001 4e 0001 74 7fffffff",
        "49 00004001 4e ffff 6e",
        "44 00004001 4e 0001 6e",
        "55 00004001 4b 0001 6e 4b 0001 6e",
        "54 7fffffff 00",
        "54 ffffffff 00",
        "43 01 0000000001234568 0000000001234598 00000000000f4240",
        "42 0000000001234568 7fffffffffffffff 000002f1 00"
      })
  void whatCannotBeIsRefused(String message) {
    assertThatThrownBy(() -> read(message)).isInstanceOf(ProtocolException.class);
  }

  @Test
  void framesComeOutAsTheyWentInHoweverTheyAreCut() throws IOException {
    List<String> wanted = List.of("a", "b".repeat(100_000), "\u00e9\n");
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (String each : wanted) {
      byte[] message = each.getBytes(StandardCharsets.UTF_8);
      all.writeBytes(ChangeFrames.head(message.length));
      all.writeBytes(message);
    }
    for (int step : new int[] {1, 3, 5, 8192, all.size()}) {
      List<String> found = new ArrayList<>();
      ChangeFrames frames = new ChangeFrames();
      for (int at = 0; at < all.size(); at += step) {
        frames.take(
            ByteBuffer.wrap(all.toByteArray(), at, Math.min(step, all.size() - at)),
            message -> found.add(StandardCharsets.UTF_8.decode(message).toString()));
      }
      frames.end();
      assertThat(found).isEqualTo(wanted);
    }
  }

  @Test
  void framesThatBreakOffOrLieAreRefused() throws IOException {
    ChangeFrames broken = new ChangeFrames();
    broken.take(ByteBuffer.wrap(bytes("00000002 41")), message -> {});
    assertThatThrownBy(broken::end).hasMessageContaining("break off");
    for (String length : List.of("00000000", "ffffffff", "7fffffff")) {
      assertThatThrownBy(
              () -> new ChangeFrames().take(ByteBuffer.wrap(bytes(length + " 41")), message -> {}))
          .isInstanceOf(IOException.class);
    }
  }

  private static PgOutput.Message read(String hex) throws IOException {
    return PgOutput.read(ByteBuffer.wrap(bytes(hex)));
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex.replace(" ", ""));
  }
}
