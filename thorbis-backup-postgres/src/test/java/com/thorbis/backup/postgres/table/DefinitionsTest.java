package com.thorbis.backup.postgres.table;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DefinitionsTest {
  @Test
  void whatOnlyPsqlUnderstandsIsLeftOutAndNothingElse() {
    String body =
        "SET client_encoding = 'UTF8';\n\n"
            + "--\n-- Name: t; Type: TABLE\n--\n\n"
            + "COMMENT ON TABLE public.t IS 'a\n\\restrict xyz\nSET transaction_timeout = 1;\n';\n";
    String script =
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict AbC123\n\n"
            + "SET transaction_timeout = 0;\n"
            + body
            + "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict AbC123\n\n";
    assertThat(Definitions.statements(script))
        .isEqualTo(
            "--\n-- PostgreSQL database dump\n--\n\n\n"
                + body
                + "--\n-- PostgreSQL database dump complete\n--\n\n\n\n");
  }

  @Test
  void scriptsOfOlderVersionsStayAsTheyAre() {
    String script = "SET statement_timeout = 0;\nCREATE TABLE public.t (\n);\n";
    assertThat(Definitions.statements(script)).isEqualTo(script);
  }
}
