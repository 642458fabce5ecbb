package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.changes.PgOutput.Delete;
import com.thorbis.backup.postgres.changes.PgOutput.Insert;
import com.thorbis.backup.postgres.changes.PgOutput.Message;
import com.thorbis.backup.postgres.changes.PgOutput.Null;
import com.thorbis.backup.postgres.changes.PgOutput.Relation;
import com.thorbis.backup.postgres.changes.PgOutput.Text;
import com.thorbis.backup.postgres.changes.PgOutput.Truncate;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChangeMessagesTest {
  private static final List<Column> COLUMNS =
      List.of(
          new Column(true, "id", 23, -1),
          new Column(false, "n\u00f6te", 25, -1),
          new Column(true, "b", 25, -1));
  private final ChangeMessages messages =
      new ChangeMessages(new Table("odd \"s\"\n", "t"), 4_294_967_295L, COLUMNS);

  @Test
  void aTableIsWhatItIs() throws IOException {
    assertThat(read(messages.relation()))
        .isEqualTo(new Relation(4_294_967_295L, "odd \"s\"\n", "t", 'd', COLUMNS));
    ChangeMessages keyless =
        new ChangeMessages(new Table("s", "t"), 7, List.of(new Column(false, "x", 23, -1)));
    assertThat(((Relation) read(keyless.relation())).identity()).isEqualTo('n');
  }

  @Test
  void aRowIsWhatTheServerCopied() throws IOException {
    assertThat(read(messages.insert(bytes("-7\t\\N\ta\\tb\\\\N\\n\\r\\b\\f\\v\\x \u00fc\n"))))
        .isEqualTo(
            new Insert(
                4_294_967_295L,
                List.of(new Text("-7"), new Null(), new Text("a\tb\\N\n\r\b\f\u000bx \u00fc"))));
    assertThat(read(messages.insert(bytes("1\t\t\\\\N\n"))))
        .isEqualTo(
            new Insert(4_294_967_295L, List.of(new Text("1"), new Text(""), new Text("\\N"))));
  }

  @Test
  void whatGoesIsKnownByItsKey() throws IOException {
    assertThat(read(messages.delete(bytes("1\tx\\ny"))))
        .isEqualTo(
            new Delete(4_294_967_295L, List.of(new Text("1"), new Null(), new Text("x\ny"))));
    assertThat(read(messages.truncate())).isEqualTo(new Truncate(List.of(4_294_967_295L)));
  }

  @Test
  void aTableWithoutColumnsHasRows() throws IOException {
    assertThat(read(new ChangeMessages(new Table("s", "t"), 7, List.of()).insert(bytes("\n"))))
        .isEqualTo(new Insert(7, List.of()));
  }

  @Test
  void whatIsNoRowIsRefused() {
    for (String row : new String[] {"1\t2\n", "1\t2\t3\t4\n", "1\t2\t3", "1\t2\t3\\\n", "\n"}) {
      assertThatThrownBy(() -> messages.insert(bytes(row))).isInstanceOf(ProtocolException.class);
    }
  }

  private static Message read(byte[] message) throws IOException {
    return PgOutput.read(ByteBuffer.wrap(message));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
