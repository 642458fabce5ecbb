package com.thorbis.backup.host;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

class VersionsTest {
  /** The SDK names a newer parser, and no databind at all. */
  @Test
  void theParserOfTheSdkIsTheOneOfSpringBoot() {
    assertThat(new JsonFactory().version()).hasToString(new ObjectMapper().version().toString());
  }
}
