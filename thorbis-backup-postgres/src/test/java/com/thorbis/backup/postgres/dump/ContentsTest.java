package com.thorbis.backup.postgres.dump;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.Contents.Apart;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.dump.Contents.Part;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ContentsTest {
  static final Contents SAMPLE =
      new Contents(
          "sh\"op\n\u00fc",
          "UTF8",
          15,
          17,
          List.of("temp_*", "\"a,b\".c"),
          List.of(new Table("public", "temp_1")),
          List.of(
              table("orders", 100, OptionalLong.empty(), true, OptionalLong.empty()),
              table("orders 1", 101, OptionalLong.of(100), false, OptionalLong.of(7)),
              table("orders_2", 102, OptionalLong.of(100), false, OptionalLong.of(0)),
              table("other", 103, OptionalLong.empty(), false, OptionalLong.of(1))),
          3);

  private static DumpedTable table(
      String name, long oid, OptionalLong parent, boolean partitioned, OptionalLong rows) {
    return new DumpedTable(
        new Table("public", name),
        oid,
        parent,
        partitioned,
        rows,
        rows.isPresent() ? Optional.of("0".repeat(32)) : Optional.empty(),
        List.of(
            new Part(1259, oid + 1000, name + "_index"),
            new Part(2606, oid + 2000, ""),
            new Part(1259, oid + 3000, name + "_id_seq")),
        Optional.empty());
  }

  private static DumpedTable split(DumpedTable table) {
    return new DumpedTable(
        table.table(),
        table.oid(),
        table.parent(),
        table.partitioned(),
        table.rows(),
        table.digest(),
        table.parts(),
        Optional.of(new Apart("rows-1.copy", List.of("a", "b\"\n"))));
  }

  @Test
  void readsWhatItWrote() throws IOException {
    assertThat(Contents.parse(SAMPLE.format())).isEqualTo(SAMPLE);
  }

  @Test
  void whoeverKnowsNothingOfRowsBesideTheArchiveIsNotToLoadWithoutThem() throws IOException {
    Contents split =
        new Contents(
            "shop",
            "UTF8",
            15,
            17,
            List.of(),
            List.of(),
            List.of(SAMPLE.tables().get(0), split(SAMPLE.tables().get(1))),
            0);
    assertThat(Contents.parse(split.format())).isEqualTo(split);
    assertThat(new String(split.format(), StandardCharsets.UTF_8)).contains("\"version\":2");
    assertThat(new String(SAMPLE.format(), StandardCharsets.UTF_8)).contains("\"version\":1");
  }

  @Test
  void knowsWhatANewerOneMayAddAndRefusesAnotherFormat() throws IOException {
    String text = new String(SAMPLE.format(), StandardCharsets.UTF_8);
    String more = text.replaceFirst("\\{", "{\"new\":{\"a\":[1,{}]},");
    assertThat(Contents.parse(more.getBytes(StandardCharsets.UTF_8))).isEqualTo(SAMPLE);
    String other = text.replace("\"version\":1", "\"version\":3");
    assertThatThrownBy(() -> Contents.parse(other.getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("format 3");
  }

  @Test
  void aTableComesWithItsPartitionsAndWhatBelongsToThem() {
    TableOfContents list =
        TableOfContents.parse(
            """
            ;
            ; Archive created at 2026-01-01
            ;
            5; 2615 2200 SCHEMA - public owner
            200; 1259 100 TABLE public orders owner
            201; 1259 101 TABLE public orders 1 owner
            202; 1259 102 TABLE public orders_2 owner
            203; 1259 103 TABLE public other owner
            204; 1259 3101 SEQUENCE public orders 1_id_seq owner
            205; 0 0 SEQUENCE OWNED BY public orders 1_id_seq owner
            206; 0 0 TABLE ATTACH public orders 1 owner
            207; 0 0 TABLE ATTACH public orders_2 owner
            208; 0 101 TABLE DATA public orders 1 owner
            209; 0 103 TABLE DATA public other owner
            210; 0 0 SEQUENCE SET public orders 1_id_seq owner
            211; 2606 2101 CONSTRAINT public orders 1 orders_1_pkey owner
            212; 2606 9999 FK CONSTRAINT public orders 1 orders_1_fkey owner
            213; 1259 1100 INDEX public orders_index owner
            214; 0 0 INDEX ATTACH public orders 1_index owner
            215; 2620 8888 TRIGGER public orders 1 stamps owner
            216; 3466 7777 EVENT TRIGGER - watch owner
            217; 0 0 COMMENT - EXTENSION hstore
            218; 3079 6666 EXTENSION - hstore
            """);
    assertThat(
            list.of(
                TableOfContents.withPartitions(SAMPLE, List.of(new Table("public", "orders"))),
                SAMPLE.tables()))
        .extracting(line -> line.substring(0, 3))
        .containsExactly(
            "200", "201", "202", "204", "205", "206", "207", "208", "210", "211", "213", "214");
    assertThat(list.all(true)).hasSize(20);
    assertThat(list.leftOut()).isEmpty();
    assertThat(list.all(false))
        .hasSize(18)
        .noneMatch(line -> line.contains("COMMENT - EXTENSION"))
        .anyMatch(line -> line.contains("EXTENSION - hstore"));
    assertThat(list.leftOut()).containsExactly("EVENT TRIGGER - watch owner");
  }

  @Test
  void aLineThatSomebodyMadeLookLikeTwoIsOneAndNoneIsPassedOver() {
    TableOfContents list =
        TableOfContents.parse(
            ";\n\n5; 1259 1 TABLE public a\u2028b\u0085c owner\n6; 1259 2 VIEW public d owner\n");
    assertThat(list.all(true))
        .containsExactly(
            "5; 1259 1 TABLE public a\u2028b\u0085c owner", "6; 1259 2 VIEW public d owner");
    assertThatThrownBy(() -> TableOfContents.parse("5: 1259 1 TABLE public a owner\n"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("load.unknown-entry"));
  }

  @Test
  void aNameThatAnotherBeginsWithIsNotTakenForIt() {
    TableOfContents list =
        TableOfContents.parse(
            """
            1; 0 0 TABLE ATTACH public orders 1 owner
            2; 0 0 SEQUENCE SET public orders 1_id_seq owner
            """);
    List<DumpedTable> short1 =
        List.of(table("orders", 100, OptionalLong.empty(), false, OptionalLong.of(1)));
    assertThat(list.of(short1, SAMPLE.tables())).isEmpty();
    assertThat(list.of(short1, short1)).hasSize(1);
  }

  @Test
  void whatNobodyCouldReadAgainIsNotWritten() {
    Contents large =
        new Contents(
            "shop",
            "UTF8",
            15,
            17,
            Collections.nCopies(65, "x".repeat(1 << 20)),
            List.of(),
            SAMPLE.tables(),
            0);
    assertThatThrownBy(large::format)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("dump.too-many-tables"));
  }
}
