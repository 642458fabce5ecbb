package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ChangeLogTest {
  private static final ChangeLog LOG =
      new ChangeLog(
          "shop",
          new ChangeLog.Slot("s_1", "p", "aa"),
          "bb",
          new Timeline(3),
          Lsn.parse("1/2B"),
          Instant.parse("2026-01-02T03:04:05.000006Z"),
          List.of(
              new ChangeLog.Followed(
                  new Table("odd \"s\"\n", "t"),
                  4294967295L,
                  "cc",
                  List.of(new Column(true, "id", 23, -1)),
                  OptionalLong.of(7),
                  true,
                  Optional.empty()),
              new ChangeLog.Followed(
                  new Table("s", "u"),
                  2,
                  "dd",
                  List.of(),
                  OptionalLong.empty(),
                  false,
                  Optional.empty())),
          List.of(new ChangeLog.Other(new Table("s", "k"), "no primary key")),
          List.of(new ChangeLog.Sequence(new Table("s", "q"), -9, false)),
          List.of(
              new ChangeLog.Segment(
                  "changes-1.pgoutput", Lsn.parse("1/1"), Lsn.parse("1/2B"), 1, 2, 3, 4, 5)));

  /** What was written once is read for ever. */
  private static final String WRITTEN =
      "{'version':1,'database':'shop','slot':'s_1','publication':'p','published':'aa',"
          + "'schema':'bb','timeline':3,'to':'1/2B','asOf':'2026-01-02T03:04:05.000006Z',"
          + "'followed':[{'schema':'odd \\'s\\'\\n','name':'t','oid':4294967295,'shape':'cc',"
          + "'rows':7,'touched':true,'columns':[{'name':'id','type':23,'modifier':-1,"
          + "'key':true}]},{'schema':'s','name':'u','oid':2,'shape':'dd','touched':false,"
          + "'columns':[]}],'others':[{'schema':'s','name':'k','why':'no primary key'}],"
          + "'sequences':[{'schema':'s','name':'q','value':-9,'called':false}],"
          + "'segments':[{'file':'changes-1.pgoutput','from':'1/1','to':'1/2B',"
          + "'transactions':1,'inserts':2,'updates':3,'deletes':4,'truncates':5}]}";

  @Test
  void whatIsWrittenIsReadAgain() throws IOException {
    assertThat(new String(LOG.format(), StandardCharsets.UTF_8)).isEqualTo(quoted(WRITTEN));
    assertThat(parse(WRITTEN)).isEqualTo(LOG);
  }

  private static final String READ =
      "{'version':2,'database':'shop','since':5000000000,"
          + "'watermark':'2026-01-02T02:04:05.000006Z','schema':'bb','timeline':3,'to':'1/2B',"
          + "'asOf':'2026-01-02T03:04:05.000006Z','followed':[{'schema':'s','name':'t','oid':2,"
          + "'shape':'cc','rows':7,'touched':true,'column':'at','keys':'keys-2.copy',"
          + "'whole':4999999999,'wholeAsOf':'2026-01-01T03:04:05Z','digest':'ee',"
          + "'columns':[{'name':'id','type':23,'modifier':-1,'key':true}]},{'schema':'s',"
          + "'name':'u','oid':3,'shape':'dd','rows':0,'touched':false,'column':'xmin','keys':'',"
          + "'whole':5000000000,'wholeAsOf':'2026-01-02T03:04:05Z','columns':[]}],'others':[],"
          + "'sequences':[],'segments':[]}";

  @Test
  void whatWasSeenInRowsIsReadAgain() throws IOException {
    ChangeLog log =
        new ChangeLog(
            "shop",
            new ChangeLog.Columns(
                5_000_000_000L, Optional.of(Instant.parse("2026-01-02T02:04:05.000006Z"))),
            "bb",
            new Timeline(3),
            Lsn.parse("1/2B"),
            Instant.parse("2026-01-02T03:04:05.000006Z"),
            List.of(
                new ChangeLog.Followed(
                    new Table("s", "t"),
                    2,
                    "cc",
                    List.of(new Column(true, "id", 23, -1)),
                    OptionalLong.of(7),
                    true,
                    Optional.of(
                        new ChangeLog.Reading(
                            "at",
                            "keys-2.copy",
                            4_999_999_999L,
                            Instant.parse("2026-01-01T03:04:05Z"),
                            Optional.of("ee")))),
                new ChangeLog.Followed(
                    new Table("s", "u"),
                    3,
                    "dd",
                    List.of(),
                    OptionalLong.of(0),
                    false,
                    Optional.of(
                        new ChangeLog.Reading(
                            "xmin",
                            "",
                            5_000_000_000L,
                            Instant.parse("2026-01-02T03:04:05Z"),
                            Optional.empty())))),
            List.of(),
            List.of(),
            List.of());
    assertThat(new String(log.format(), StandardCharsets.UTF_8)).isEqualTo(quoted(READ));
    assertThat(parse(READ)).isEqualTo(log);
  }

  @Test
  void whatIsUnknownIsNotPassedOver() {
    assertThatThrownBy(() -> parse(WRITTEN.replace("'version':1", "'version':3")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("newer version");
    assertThatThrownBy(() -> parse(WRITTEN.replace("'slot':", "'more':1,'slot':")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("more");
    assertThatThrownBy(() -> parse(WRITTEN.replace("'touched':true", "'touched':true,'new':1")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("new");
  }

  @Test
  void whatIsDamagedIsSaidToBe() {
    assertThatThrownBy(() -> parse(WRITTEN.replace("'to':'1/2B','as", "'to':'x','as")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("Damaged");
    assertThatThrownBy(() -> parse(WRITTEN.replace("'slot':'s_1',", "")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("lacks slot");
    assertThatThrownBy(() -> parse(WRITTEN.substring(0, 200))).isInstanceOf(IOException.class);
  }

  private static ChangeLog parse(String text) throws IOException {
    return ChangeLog.parse(quoted(text).getBytes(StandardCharsets.UTF_8));
  }

  private static String quoted(String text) {
    return text.replace("\\'", "\\\"").replace('\'', '"');
  }
}
