package com.thorbis.backup.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TableNameTest {
  @Test
  void lettersCountAsTheyStand() {
    assertThat(TableName.parse("Orders.public.Invoices"))
        .isEqualTo(new TableName("Orders", "public", "Invoices"));
    assertThat(TableName.parse("a.b.with space*?$"))
        .isEqualTo(new TableName("a", "b", "with space*?$"));
  }

  @Test
  void quotesHoldDotsAndQuotes() {
    assertThat(TableName.parse("a.\"b.c\".\"d \"\"e\"\"\nf\""))
        .isEqualTo(new TableName("a", "b.c", "d \"e\"\nf"));
  }

  @Test
  void whatIsPrintedIsReadAgain() {
    for (String odd : new String[] {"plain", "a.b", "\"", "\"\"", ".", "ü\n\\", " "}) {
      TableName name = new TableName(odd, odd, odd);
      assertThat(TableName.parse(name.toString())).isEqualTo(name);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a", "a.b", "a.b.c.d", "a..c", "a.b.", "a.b.\"c", "a.b.\"\""})
  void anythingElseIsRefused(String text) {
    assertThatThrownBy(() -> TableName.parse(text)).isInstanceOf(IllegalArgumentException.class);
  }
}
